"""The instance's secret key when the operator sets none: a file only its owner can read."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

# 50 characters of 64 signs are 300 bits; Django's own check asks for 50 characters.
KEY_LENGTH = 50


def read_or_create_secret_key(path: Path) -> str:
    """The key stored at `path`, made with mode 0600 when the file does not exist.

    Two processes that start at once agree: the file appears with its content by a hard link,
    which fails for the second one, and that one reads what the first wrote. Raises
    ImproperlyConfigured where the file can be neither read nor made.
    """
    try:
        with suppress(FileNotFoundError):
            return _read(path)
        return _create(path)
    except OSError as error:
        raise ImproperlyConfigured(
            f"The secret key cannot be kept in {path} ({error.strerror}): give this folder to the "
            "user Agnes runs as, or set AGNES_DATA_DIR to another."
        ) from error


def _create(path: Path) -> str:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(KEY_LENGTH)[:KEY_LENGTH])
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
    return _read(path)


def _read(path: Path) -> str:
    key = path.read_text().strip()
    if not key:
        raise ImproperlyConfigured(f"The secret key file {path} is empty: delete it, start again.")
    return key
