"""The client as a wheel and as a .pyz: the same bytes from the same files, standard library only.

It is the package's own build backend as well (PEP 517), so nothing is downloaded to build it.
"""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
NAME = "agnes_cli"
DATA = ("rules/gitleaks.json", "rules/LICENSE-gitleaks")
OLDEST = (1980, 1, 1, 0, 0, 0)
"""What zip files take for no time."""

SUMMARY = "Sends Claude Code sessions to an Agnes server, except private ones."
PYZ_MAIN = b"import sys\nfrom agnes_cli.__main__ import main\nsys.exit(main())\n"


def version() -> str:
    text = (HERE / "__init__.py").read_text(encoding="utf-8")
    return text.partition('__version__ = "')[2].partition('"')[0]


def wheel_name() -> str:
    return f"{NAME}-{version()}-py3-none-any.whl"


def make_wheel() -> bytes:
    info = f"{NAME}-{version()}.dist-info"
    files = [
        *_package(),
        (f"{info}/METADATA", _metadata()),
        (
            f"{info}/WHEEL",
            b"Wheel-Version: 1.0\nGenerator: agnes\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        ),
        (f"{info}/entry_points.txt", b"[console_scripts]\nagnes = agnes_cli.__main__:main\n"),
    ]
    record = "".join(
        f"{name},sha256={_urlsafe(hashlib.sha256(data).digest())},{len(data)}\n"
        for name, data in files
    )
    record_name = f"{info}/RECORD"
    return _zipped([*files, (record_name, f"{record}{record_name},,\n".encode())])


def make_pyz() -> bytes:
    """One file that any Python runs: `python agnes.pyz`."""
    return b"#!/usr/bin/env python3\n" + _zipped([("__main__.py", PYZ_MAIN), *_package()])


def build_wheel(
    wheel_directory: str, config_settings: Any = None, metadata_directory: Any = None
) -> str:
    (Path(wheel_directory) / wheel_name()).write_bytes(make_wheel())
    return wheel_name()


def build_sdist(sdist_directory: str, config_settings: Any = None) -> str:
    base = f"{NAME}-{version()}"
    with tarfile.open(Path(sdist_directory) / f"{base}.tar.gz", "w:gz") as archive:
        files = [(name.partition("/")[2], data) for name, data in _package()]
        files.append(("pyproject.toml", (HERE / "pyproject.toml").read_bytes()))
        for name, data in [("PKG-INFO", _metadata()), *files]:
            entry = tarfile.TarInfo(f"{base}/{name}")
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return f"{base}.tar.gz"


def _package() -> Iterator[tuple[str, bytes]]:
    for name in sorted([path.name for path in HERE.glob("*.py")] + list(DATA)):
        yield f"{NAME}/{name}", (HERE / name).read_bytes()


def _metadata() -> bytes:
    lines = [
        "Metadata-Version: 2.1",
        "Name: agnes-cli",
        f"Version: {version()}",
        f"Summary: {SUMMARY}",
        "Requires-Python: >=3.9",
    ]
    return ("\n".join(lines) + "\n").encode()


def _zipped(files: list[tuple[str, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, data in files:
            entry = zipfile.ZipInfo(name, OLDEST)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            entry.create_system = 3  # wherever it is made
            archive.writestr(entry, data)
    return buffer.getvalue()


def _urlsafe(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
