"""What people type, what they are told, and with which exit code."""

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from agnes_cli import folders, hook
from tests.agnes_cli.conftest import Running
from tests.agnes_cli.laptop import Laptop
from tests.agnes_cli.network import Network
from tests.agnes_project.test_supervisor import wait_until
from tests.telemetry.transcript_lines import session_of

UNKNOWN = "agn_" + "0" * 49


def test_a_token_is_taken_from_standard_input_checked_and_kept_for_its_owner_alone(
    agnes: Running, tmp_path: Path
) -> None:
    laptop = Laptop(tmp_path / "home", agnes.url, agnes.token())
    path = laptop.agnes / "credentials.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    token = json.loads(path.read_text())["token"]
    for arguments in [("status",), ("whoami",), ("push",), ("status", "--json")]:
        code, out, err = laptop.run(*arguments)
        assert (code, token in out + err) == (0, False)
    assert laptop.ask("whoami")["scopes"] == ["push", "read"]
    assert laptop.ask("logout") == {"signed_out": True}
    assert not path.exists()


@pytest.mark.parametrize(
    ("url", "token", "code", "says"),
    [
        ("", UNKNOWN, 3, "not known"),
        ("", "hunter2hunter2", 2, "not an access token"),
        ("http://agnes.example.org", UNKNOWN, 2, "unencrypted"),
        ("ftp://agnes.example.org", UNKNOWN, 2, "not the address of a server"),
        ("https://ada:pw@agnes.example.org", UNKNOWN, 2, "no password"),
        ("http://127.0.0.1:9", UNKNOWN, 4, "cannot be reached"),
    ],
)
def test_a_sign_in_that_fails_says_why_and_keeps_nothing(
    agnes: Running, tmp_path: Path, url: str, token: str, code: int, says: str
) -> None:
    laptop = Laptop(tmp_path / "home")
    done, out, err = laptop.run("login", url or agnes.url, input=f"{token}\n")
    assert (done, says in err) == (code, True), err
    assert token not in out + err
    assert not laptop.agnes.exists()


@pytest.mark.parametrize("command", ["push", "whoami", "catalog"])
def test_who_is_not_signed_in_is_told_how(tmp_path: Path, command: str) -> None:
    code, out, err = Laptop(tmp_path / "home").run(command)
    assert (code, out, "agnes login" in err) == (3, "", True)
    code, _, err = Laptop(tmp_path / "home").run(command, "--json")
    assert (code, json.loads(err)["error"]["code"]) == (3, "not_signed_in")


def test_wrong_use_ends_with_2(tmp_path: Path) -> None:
    laptop = Laptop(tmp_path / "home")
    for arguments in [(), ("nonsense",), ("snapshot",), ("admin", "usage", "export", "--format=x")]:
        assert laptop.run(*arguments)[0] == 2


def test_what_is_for_admins_is_refused_to_others(laptop: Laptop) -> None:
    code, _, err = laptop.run("admin", "usage", "prune", "--dry-run")
    assert (code, "Only an admin" in err) == (5, True)


def test_admins_see_what_a_prune_would_remove(agnes: Running, tmp_path: Path) -> None:
    boss = Laptop(tmp_path / "boss", agnes.url, agnes.tokens["boss"])
    assert boss.ask("admin", "usage", "prune", "--dry-run")["dry_run"] is True
    assert "would go" in boss.run("admin", "usage", "prune", "--dry-run")[1]


def test_a_question_without_a_model_tells_the_setting(agnes: Running, tmp_path: Path) -> None:
    boss = Laptop(tmp_path / "boss", agnes.url, agnes.tokens["boss"])
    code, _, err = boss.run("admin", "ask", "how", "many")
    assert (code, "ANTHROPIC_API_KEY" in err) == (4, True), err


def test_a_broken_export_leaves_no_file_and_ends_with_4(
    agnes: Running, laptop: Laptop, line: Network, tmp_path: Path
) -> None:
    boss = Laptop(tmp_path / "boss", line.url, agnes.tokens["boss"])
    out = tmp_path / "events.csv"
    # The mirror is published once something was processed.
    laptop.write(session_of("to export"))
    laptop.push()
    wait_until(lambda: boss.run("admin", "usage", "export")[0] == 0, 60)
    line.plan = ["down:300"]
    code, _, err = boss.run("admin", "usage", "export", "--out", str(out))
    assert (code, "broke off" in err) == (4, True), err
    assert list(tmp_path.glob("*events.csv*")) == []
    assert boss.run("admin", "usage", "export", "--out", str(out))[0] == 0
    assert out.read_text().startswith("id,")


def test_a_status_line_is_one_line_whatever_it_is_fed(laptop: Laptop) -> None:
    for fed in ["", "no json", "[]", json.dumps({"session_id": session_of("x")})]:
        code, out, err = laptop.run("statusline", input=fed)
        assert (code, out.count("\n"), err) == (0, 1, "")


def test_a_token_is_sent_to_no_other_server_than_the_one_it_is_for(laptop: Laptop) -> None:
    environment = laptop.environment | {"AGNES_URL": "http://127.0.0.1:9"}
    command = [sys.executable, "-m", "agnes_cli", "whoami"]
    assert subprocess.run(command, env=environment, capture_output=True).returncode == 3


def test_the_hook_looks_where_the_commands_look(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AGNES_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert Path(hook.agnes_folder()) == folders.agnes_folder()
    monkeypatch.setenv("XDG_CONFIG_HOME", "/etc/ada")
    assert Path(hook.agnes_folder()) == folders.agnes_folder() == Path("/etc/ada/agnes")
    monkeypatch.setenv("AGNES_HOME", "~/there")
    assert Path(hook.agnes_folder()) == folders.agnes_folder()


def test_figures_are_shown_as_tables(agnes: Running, tmp_path: Path) -> None:
    boss = Laptop(tmp_path / "boss", agnes.url, agnes.tokens["boss"])
    wait_until(lambda: boss.run("admin", "usage", "summary")[0] == 0, 60)
    told = boss.ask("admin", "usage", "summary", "--days", "7")
    code, out, _ = boss.run("admin", "usage", "summary", "--days", "7")
    assert code == 0
    assert all(name in out for name, value in told.items() if isinstance(value, (int, str)))
    assert boss.run("admin", "usage", "summary", "--days", "many")[0] == 2
