"""Starting with values that cannot work: one sentence, no traceback, and an end."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

from agnes_project.start import sentence_instead_of_traceback

BAD = {"SCHEDULER_SWEEP_INTERVAL": "often"}
SENTENCE = "SCHEDULER_SWEEP_INTERVAL='often' cannot be used: write a whole number such as 3600.\n"


def start(
    *arguments: str, folder: Path, variables: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "AGNES_DATA_DIR": str(folder)}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=settings.BASE_DIR,
        env={**environment, **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


# Django looks up its own commands, those of installed apps and unknown ones in different places.
@pytest.mark.parametrize("command", ["check", "migrate", "usage_process", "qcluster", "nothing"])
def test_a_command_prints_the_sentence_alone(tmp_path: Path, command: str) -> None:
    done = start("manage.py", command, folder=tmp_path, variables=BAD)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", SENTENCE)


def test_a_data_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    folder = tmp_path / "file" / "data"
    done = start("manage.py", "check", folder=folder, variables={})
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert f"{folder}/secret_key (Not a directory)" in done.stderr
    assert "set AGNES_DATA_DIR" in done.stderr


def test_an_empty_secret_key_is_named(tmp_path: Path) -> None:
    (tmp_path / "secret_key").write_text("\n")
    done = start("manage.py", "check", folder=tmp_path, variables={})
    assert done.returncode == 2
    assert done.stderr == (
        f"The secret key file {tmp_path}/secret_key is empty: delete it, start again.\n"
    )


@pytest.mark.parametrize("command", ["migrate", "usage_prune"])
def test_a_postgresql_that_does_not_answer_is_named_without_its_password(
    tmp_path: Path, command: str
) -> None:
    address = "postgresql://agnes:hushhush@127.0.0.1:1/agnes"
    done = start("manage.py", command, folder=tmp_path, variables={"DATABASE_URL": address})
    assert done.returncode == 2
    assert "The database does not answer" in done.stderr
    assert "DATABASE_URL" in done.stderr
    assert "Traceback" not in done.stderr
    assert "hushhush" not in done.stderr


@pytest.mark.parametrize("command", [["usage_mirror", "status"], ["usage_process"]])
def test_a_folder_that_was_never_migrated_is_told_to_be(tmp_path: Path, command: list[str]) -> None:
    done = start("manage.py", *command, folder=tmp_path, variables={})
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "run manage.py migrate" in done.stderr


def test_a_full_disk_is_one_sentence_in_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit), sentence_instead_of_traceback(exit_code=2):
        Path("/dev/full").write_text("more than fits")
    assert "There is no room left under AGNES_DATA_DIR: make room" in capsys.readouterr().err


@pytest.mark.parametrize("server", ["wsgi", "asgi"])
def test_a_server_prints_the_sentence_and_ends(tmp_path: Path, server: str) -> None:
    code = f"import agnes_project.{server}"
    done = start("-c", code, folder=tmp_path, variables=BAD)
    assert (done.returncode, done.stderr) == (3, SENTENCE)


def test_gunicorn_gives_up_instead_of_starting_workers_for_ever(tmp_path: Path) -> None:
    options = ("--bind", f"unix:{tmp_path}/socket", "--no-control-socket", "--log-level", "error")
    arguments = ("-m", "gunicorn", "agnes_project.wsgi:application", *options)
    done = start(*arguments, folder=tmp_path, variables=BAD)
    assert done.returncode == 3
    assert SENTENCE in done.stderr
    assert "Traceback" not in done.stderr
