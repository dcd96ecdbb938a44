import sqlite3
from pathlib import Path

import pytest
from pytest_django import Settings

from agnes_project import checks


def test_the_default_settings_raise_no_complaint() -> None:
    for check in (
        checks.check_data_dir,
        checks.check_retention,
        checks.check_transcript_storage,
        checks.check_debug,
        checks.check_sqlite_version,
        checks.check_https,
        checks.check_model_address,
    ):
        assert check() == []


def test_a_data_folder_that_cannot_be_made_is_an_error(settings: Settings, tmp_path: Path) -> None:
    # A file where the folder should be stops root as well, whom permissions do not stop.
    (tmp_path / "file").write_text("")
    settings.AGNES_DATA_DIR = tmp_path / "file" / "data"
    (message,) = checks.check_data_dir()
    assert message.id == "agnes.E001"
    assert "AGNES_DATA_DIR" in str(message.hint)


def test_a_data_folder_that_others_may_read_is_told(settings: Settings, tmp_path: Path) -> None:
    settings.AGNES_DATA_DIR = tmp_path / "my data"
    settings.AGNES_DATA_DIR.mkdir(mode=0o700)
    assert checks.check_private_files() == []
    settings.AGNES_DATA_DIR.chmod(0o755)
    message = checks.check_private_files()[0]
    assert message.id == "agnes.W002"
    assert "chmod go-rwx '" in str(message.hint)


@pytest.mark.parametrize("name", checks.RETENTION_SETTINGS)
def test_a_negative_retention_is_an_error(settings: Settings, name: str) -> None:
    setattr(settings, name, -1)
    (message,) = checks.check_retention()
    assert message.id == "agnes.E002"
    assert f"Set {name}" in str(message.hint)


def test_s3_without_a_bucket_and_with_half_a_key_is_an_error(settings: Settings) -> None:
    settings.AGNES_TRANSCRIPT_STORAGE = "s3"
    settings.AGNES_S3_ACCESS_KEY_ID = "half"
    assert [message.id for message in checks.check_transcript_storage()] == [
        "agnes.E003",
        "agnes.E004",
    ]


def test_s3_by_the_machines_own_role_is_fine(settings: Settings) -> None:
    settings.AGNES_TRANSCRIPT_STORAGE = "s3"
    settings.AGNES_S3_BUCKET = "transcripts"
    assert checks.check_transcript_storage() == []


def test_debug_with_a_public_host_is_an_error(settings: Settings) -> None:
    settings.DEBUG = True
    settings.ALLOWED_HOSTS = ["localhost", "agnes.example.org"]
    (message,) = checks.check_debug()
    assert message.id == "agnes.E005"
    assert "agnes.example.org" in message.msg


def test_a_public_host_without_https_is_a_warning(settings: Settings) -> None:
    settings.ALLOWED_HOSTS = ["agnes.example.org"]
    (message,) = checks.check_https()
    assert message.id == "agnes.W001"


def test_a_model_that_is_asked_in_the_clear_is_a_warning(settings: Settings) -> None:
    settings.AGNES_ANTHROPIC_BASE_URL = "http://gateway.example.org"
    (message,) = checks.check_model_address()
    assert message.id == "agnes.W003"
    settings.AGNES_ANTHROPIC_BASE_URL = "http://127.0.0.1:8080"
    assert checks.check_model_address() == []


def test_an_old_sqlite_is_an_error(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(settings.DATABASES["default"], "ENGINE", "django.db.backends.sqlite3")
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 34, 1))
    (message,) = checks.check_sqlite_version()
    assert message.id == "agnes.E006"
