"""Hooks go in and come out of settings.json, and the rest stays byte for byte."""

import json
import os
from pathlib import Path

import pytest

from agnes_cli.claude_settings import EVENTS, add_hooks, has_hooks, remove_hooks
from agnes_cli.errors import UsageError
from tests.agnes_cli.laptop import Laptop

COMMAND = "/usr/bin/python3 -I /home/ada/.config/agnes/client hook"

SETTINGS = [
    b"{}",
    b"{}\n",
    b'{"model":"opus"}',
    b'{\n\t"model": "opus",\n\t"env": {"A": "1.50"},\n\t"n": 1.50e3\n}\n',
    b'{\r\n  "permissions": {\r\n    "allow": ["Bash(ls:*)"]\r\n  }\r\n}\r\n',
    b'{"hooks": {"Stop": [{"hooks": [{"type": "command", "command": "say done"}]}]}}',
    b'{\n  "hooks": {\n    "PreToolUse": [\n      {"matcher": "Bash", "hooks": []}\n    ]\n  },\n'
    b'  "z": "\xc3\xa9 } ] \\" {"\n}',
    b'{"hooks":{"SessionStart":[{"hooks":[{"type":"command","command":"a"}]},'
    b'{"hooks":[{"type":"command","command":"b"}]}]},"x":[]}',
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "settings.json"


@pytest.mark.parametrize("before", SETTINGS)
def test_hooks_in_and_out_leave_the_same_bytes(path: Path, before: bytes) -> None:
    path.write_bytes(before)
    assert add_hooks(path, COMMAND)
    written = json.loads(path.read_bytes())
    for event in EVENTS:
        ours = [one for one in written["hooks"][event] if one["hooks"][0]["command"] == COMMAND]
        assert len(ours) == 1
    assert has_hooks(path)
    assert not add_hooks(path, COMMAND)  # a second time changes nothing
    assert remove_hooks(path)
    assert path.read_bytes() == before
    assert not remove_hooks(path)


@pytest.mark.parametrize("before", SETTINGS)
def test_what_was_there_is_a_run_of_what_is_there_now(path: Path, before: bytes) -> None:
    path.write_bytes(before)
    was = json.loads(before)
    add_hooks(path, COMMAND)
    now = json.loads(path.read_bytes())
    for key, value in was.items():
        if key != "hooks":
            assert now[key] == value
    for event, groups in was.get("hooks", {}).items():
        assert now["hooks"][event][: len(groups)] == groups


def test_an_older_command_of_ours_is_replaced_not_doubled(path: Path) -> None:
    add_hooks(path, "/old/python -I /home/ada/.config/agnes/client hook")
    add_hooks(path, COMMAND)
    written = json.loads(path.read_bytes())
    assert [len(written["hooks"][event]) for event in EVENTS] == [1, 1, 1]
    assert written["hooks"]["Stop"][0]["hooks"][0]["command"] == COMMAND


def test_somebody_elses_hook_beside_ours_in_one_group_stays(path: Path) -> None:
    group = {"hooks": [{"command": COMMAND}, {"command": "mine"}]}
    path.write_text(json.dumps({"hooks": {"Stop": [group]}}))
    assert not remove_hooks(path)


@pytest.mark.parametrize("wrong", ["{", "[]", '{"hooks": []}', '{"hooks": {"Stop": {}}}'])
def test_settings_that_cannot_be_read_are_left_as_they_are(path: Path, wrong: str) -> None:
    path.write_text(wrong)
    with pytest.raises(UsageError):
        add_hooks(path, COMMAND)
    assert path.read_text() == wrong


def test_a_link_to_the_settings_stays_one(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "dotfiles.json"
    target.write_text("{}")
    target.chmod(0o644)
    path.symlink_to(target)
    add_hooks(path, COMMAND)
    assert path.is_symlink()
    assert target.stat().st_mode & 0o777 == 0o644


def test_the_hook_that_init_writes_runs_from_anywhere(tmp_path: Path) -> None:
    laptop = Laptop(tmp_path / "a home's folder")
    told = laptop.ask("init")
    assert told["changed"] is True
    settings = json.loads((laptop.claude / "settings.json").read_text())
    command = settings["hooks"]["SessionEnd"][0]["hooks"][0]["command"]
    assert os.system(f"cd / && env -i PATH=/usr/bin:/bin {command} </dev/null") == 0  # noqa: S605
    assert laptop.ask("init")["changed"] is False
    assert laptop.ask("init", "--undo")["changed"] is True
    assert not (laptop.agnes / "client").exists()
    assert (laptop.claude / "settings.json").read_text() == "{}\n"
