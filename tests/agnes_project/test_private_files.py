"""Nobody else on the machine reads what people wrote, whatever the umask."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

from agnes_project.private_files import make_private_folder


def migrate(folder: Path) -> None:
    code = (
        "import os; os.umask(0o022); import django; django.setup(); "
        "from django.core.management import call_command as c; c('migrate', 'contenttypes'); "
        "from telemetry.transcript_blobs import write_blob; "
        "write_blob(1, 'a', mark='0', frame=b'x', frame_path='')"
    )
    environment = {
        "PATH": os.environ["PATH"],
        "AGNES_DATA_DIR": str(folder),
        "DJANGO_SETTINGS_MODULE": "agnes_project.settings",
    }
    subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        cwd=settings.BASE_DIR,
        check=True,
        capture_output=True,
    )


def open_to_others(folder: Path) -> list[str]:
    return [
        f"{path.relative_to(folder)} {path.stat().st_mode:o}"
        for path in [folder, *folder.rglob("*")]
        if path.stat().st_mode & 0o077
    ]


def test_everything_in_a_new_data_folder_is_private(tmp_path: Path) -> None:
    migrate(tmp_path / "data")

    assert (tmp_path / "data" / "agnes.sqlite3").stat().st_size > 0
    assert open_to_others(tmp_path / "data") == []


def test_a_data_folder_that_was_open_is_closed(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    for path in (folder, folder / "tmp", folder / "mirror", folder / "transcripts"):
        path.mkdir()
        path.chmod(0o755)
    (folder / "agnes.sqlite3").touch()
    (folder / "agnes.sqlite3").chmod(0o644)

    migrate(folder)

    assert open_to_others(folder) == []


def test_a_folder_that_all_share_stays_shared(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)

    make_private_folder(tmp_path)

    assert tmp_path.stat().st_mode & 0o7777 == 0o1777


def test_a_folder_that_cannot_be_made_is_left_to_the_checks(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    make_private_folder(tmp_path / "file" / "data")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to others")
def test_a_folder_of_somebody_else_is_left_to_the_checks(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    os.chown(tmp_path, 12345, -1)

    make_private_folder(tmp_path)

    assert tmp_path.stat().st_mode & 0o777 == 0o755
