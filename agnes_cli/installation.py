"""The copy of the client that Claude Code's hooks run: it stays where downloads and caches go."""

from __future__ import annotations

import io
import os
import pkgutil
import shutil
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

from agnes_cli.folders import agnes_folder, write_bytes
from agnes_cli.packing import DATA

ENTRY = b"""import os, sys
os.environ.setdefault("AGNES_HOME", os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from agnes_cli.__main__ import main
sys.exit(main())
"""


def copy_folder() -> Path:
    return agnes_folder() / "client"


def install_copy() -> str:
    """Write the copy anew; returns the command line of its hook."""
    folder = copy_folder()
    for name, data in own_files():
        write_bytes(folder / "agnes_cli" / name, data)
    write_bytes(folder / "__main__.py", ENTRY)
    return f"{_quoted(python())} -I -S {_quoted(str(folder))} hook"


def remove_copy() -> None:
    shutil.rmtree(copy_folder(), ignore_errors=True)


def own_files() -> Iterator[tuple[str, bytes]]:
    """Name and content of all the client is made of, wherever it runs from."""
    for name in sorted([*_modules(), *DATA]):
        data = pkgutil.get_data("agnes_cli", name)
        if data is not None:
            yield name, data


def python() -> str:
    """An interpreter that is still there when an environment made for one run is gone."""
    base = getattr(sys, "_base_executable", "") or ""
    return base if base and os.path.exists(base) else sys.executable


def _modules() -> list[str]:
    here = Path(__file__).resolve().parent
    if here.is_dir():
        return [path.name for path in here.glob("*.py")]
    archive = here.parent  # a .pyz
    with zipfile.ZipFile(io.BytesIO(archive.read_bytes())) as packed:
        names = [name.split("/", 1) for name in packed.namelist()]
    return [
        rest[1]
        for rest in names
        if rest[0] == "agnes_cli"
        and len(rest) == 2
        and rest[1].endswith(".py")
        and "/" not in rest[1]
    ]


def _quoted(path: str) -> str:
    """For the shell Claude Code runs hooks with, which is bash on Windows as well."""
    path = path.replace("\\", "/") if os.name == "nt" else path
    plain = (
        path.replace("/", "").replace("-", "").replace(".", "").replace("_", "").replace(":", "")
    )
    if plain.isalnum():
        return path
    return "'" + path.replace("'", "'\"'\"'") + "'"
