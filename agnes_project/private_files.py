"""The data folder and the database file, for the user Agnes runs as alone, whatever the umask."""

import os
import stat
from contextlib import suppress
from pathlib import Path

OTHERS = stat.S_IRWXG | stat.S_IRWXO


def make_private_folder(folder: Path) -> None:
    """Make the folder with mode 0700, or take it from others where it is this user's own.

    What cannot be done is left to the system checks, which name the fix.
    """
    with suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _take_from_others(folder)


def make_private_file(path: Path) -> None:
    """As `make_private_folder`, an empty file with mode 0600."""
    with suppress(OSError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        _take_from_others(path)


def is_open_to_others(path: Path) -> bool:
    """Whether other users may do anything with the file or folder; False where there is none."""
    try:
        return os.name == "posix" and bool(path.stat().st_mode & OTHERS)
    except OSError:
        return False


def _take_from_others(path: Path) -> None:
    found = path.stat()
    shared = found.st_mode & stat.S_ISVTX  # as /tmp: a folder that others use as well
    if os.name != "posix" or found.st_uid != os.geteuid() or shared:
        return
    if found.st_mode & OTHERS:
        path.chmod(stat.S_IMODE(found.st_mode) & ~OTHERS)
