"""A test's own folders for what marketplaces keep on disk."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.test import override_settings


@contextmanager
def use_own_folders(folder: Path) -> Iterator[None]:
    """Bundles and the served repository lie below `folder`."""
    kept = {**settings.STORAGES["bundles"]["OPTIONS"], "location": folder / "bundles"}
    changed = {**settings.STORAGES, "bundles": {**settings.STORAGES["bundles"], "OPTIONS": kept}}
    with override_settings(
        STORAGES=changed,
        AGNES_SERVED_DIR=folder / "served-here",
        AGNES_UPLOAD_TEMP_DIR=folder / "tmp",
    ):
        yield


def files_below(folder: Path) -> list[str]:
    """Every file below the folder, however deep, by its path in it."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
