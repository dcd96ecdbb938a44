"""Starting with values that cannot work: one sentence, no traceback, and an end."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

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
