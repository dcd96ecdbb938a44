"""Zip files for tests: good ones and every kind of bad one."""

import zipfile
from collections.abc import Mapping
from io import BytesIO


def zipped(files: Mapping[str, bytes | str], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    target = BytesIO()
    with zipfile.ZipFile(target, "w", compression) as archive:
        for path, content in files.items():
            archive.writestr(path, content)
    return target.getvalue()


def zipped_entries(*entries: tuple[zipfile.ZipInfo, bytes]) -> bytes:
    target = BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry, content in entries:
            archive.writestr(entry, content)
    return target.getvalue()


def unix_entry(path: str, mode: int) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(path, (2026, 1, 2, 3, 4, 6))
    entry.create_system = 3
    entry.external_attr = mode << 16
    return entry
