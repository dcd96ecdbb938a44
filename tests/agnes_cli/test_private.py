"""Nothing private leaves the laptop, and what had left is removed when asked."""

import gzip
import json
import re
import zlib
from pathlib import Path

import pytest

from agnes_cli.private_list import PrivateList
from tests.agnes_cli.conftest import Running
from tests.agnes_cli.laptop import Laptop, arrived, asked, revisions
from tests.agnes_cli.network import Network
from tests.agnes_project.test_supervisor import wait_until
from tests.telemetry.transcript_lines import line as transcript_line
from tests.telemetry.transcript_lines import session_of, transcript

SECRET = "ghp_" + "x9Kd83jfkDls02kfjdkwlsAq93kdlsi20sQz"


def fork_of(session_id: str, fork: str, *, told: bool = True) -> bytes:
    lines = []
    for raw in transcript(session_id, range(4)).splitlines():
        data = json.loads(raw) | {"sessionId": fork}
        if told:
            data["forkedFrom"] = {"sessionId": session_id, "messageUuid": data["uuid"]}
        lines.append(json.dumps(data).encode() + b"\n")
    return b"".join([*lines, transcript_line(fork, 90, "after the fork")])


def uploads(line: Network) -> bytes:
    """All that was sent, unpacked."""
    bodies = [bytes(line.sent)]
    for at in re.finditer(b"\x1f\x8b\x08", bytes(line.sent)):
        try:
            bodies.append(gzip.decompress(bytes(line.sent[at.start() :])))
        except (OSError, EOFError):
            # What follows the body belongs to the next request.
            unpacked = zlib.decompressobj(wbits=31).decompress(bytes(line.sent[at.start() :]))
            bodies.append(unpacked)
    return b"".join(bodies)


def test_a_private_session_its_subagents_and_its_forks_stay(
    line: Network, agnes: Running, tmp_path: Path
) -> None:
    laptop = Laptop(tmp_path / "home", line.url, agnes.token())
    own, fork, copy, other = map(session_of, ("p own", "p fork", "p copy", "p other"))
    folder = laptop.write(own, transcript(own, range(4))).parent
    laptop.write(fork, fork_of(own, fork))
    laptop.write(copy, fork_of(own, copy, told=False))
    laptop.write(other, transcript_line(other, 0, f"agnes mark-private {own}"))
    inner = folder / own / "subagents"
    inner.mkdir(parents=True)
    (inner / "agent-1.jsonl").write_bytes(transcript_line(own, 50))
    (folder / "agent-2.jsonl").write_bytes(transcript_line(own, 51))

    told = laptop.ask("mark-private", own)
    assert (told["told"], told["stored"]) == (True, [])
    assert sorted(told["sessions"]) == sorted([own, fork, copy])
    pushed = laptop.push()

    assert (pushed["sent"], pushed["private"]) == (1, 5)
    assert arrived(laptop) == [other]
    assert uploads(line).count(b"after the fork") == 0
    assert b"/home/ada/till" in uploads(line)  # of the other session: it is looked at


def test_a_purge_removes_what_was_uploaded_with_its_forks(laptop: Laptop) -> None:
    own, fork, other = map(session_of, ("q own", "q fork", "q other"))
    laptop.write(own)
    laptop.write(fork, fork_of(own, fork, told=False))
    laptop.write(other)
    assert laptop.push()["sent"] == 3

    told = laptop.ask("mark-private", own)
    assert own in told["stored"]  # it says what --purge is for
    told = laptop.ask("mark-private", own, "--purge")

    assert sorted(told["purged"]) == sorted([own, fork])
    assert arrived(laptop) == [other]
    laptop.write(own, transcript(own, range(9)))
    laptop.write(fork, fork_of(own, fork, told=False) + transcript_line(fork, 91))
    assert laptop.push()["sent"] == 0
    assert arrived(laptop) == [other]


def test_a_mark_taken_back_sends_the_session_again(laptop: Laptop) -> None:
    own, fork, later = map(session_of, ("r own", "r fork", "r later"))
    laptop.write(own)
    laptop.write(fork, fork_of(own, fork))
    laptop.push()
    laptop.ask("mark-private", own, "--purge")
    laptop.write(later, fork_of(own, later))
    assert laptop.push()["private"] == 3
    laptop.ask("mark-private", own, "--undo")
    assert laptop.push()["sent"] == 3
    assert arrived(laptop) == sorted([own, fork, later])


def test_another_laptop_and_a_reinstalled_one_are_refused_by_the_server(
    laptop: Laptop, agnes: Running, tmp_path: Path
) -> None:
    own, fork = session_of("s own"), session_of("s fork")
    laptop.write(own)
    laptop.ask("mark-private", own)
    token = json.loads((laptop.agnes / "credentials.json").read_text())["token"]
    other = Laptop(tmp_path / "other", agnes.url, token)
    other.write(own)
    other.write(fork, fork_of(own, fork, told=False))
    pushed = other.push()
    assert (pushed["sent"], pushed["private"]) == (0, 2)
    assert other.push()["private"] == 2  # without asking again
    assert arrived(other) == []


def test_a_push_that_is_under_way_cannot_win_against_a_mark(
    agnes: Running, line: Network, tmp_path: Path
) -> None:
    laptop = Laptop(tmp_path / "home", line.url, agnes.token())
    ids = [session_of(f"race {number}") for number in range(60)]
    for session_id in ids:
        laptop.write(session_id)
    pushing = laptop.start("push", "--json")
    wait_until(lambda: line.connections >= 2, 20)
    marks = [laptop.start("mark-private", session_id, "--json") for session_id in ids[::12]]
    for one in [*marks, pushing]:
        one.communicate(timeout=120)
    assert [one.returncode for one in marks] == [0] * len(marks)
    laptop.push()
    assert set(arrived(laptop)) == set(ids) - set(ids[::12])


def test_marked_without_a_network_it_stays_and_the_server_is_told_later(
    agnes: Running, line: Network, tmp_path: Path
) -> None:
    laptop = Laptop(tmp_path / "home", line.url, agnes.token())
    own = session_of("t own")
    laptop.write(own)
    line.plan = ["up:0"] * 8
    told = laptop.ask("mark-private", own)
    assert told["told"] is False
    line.plan = []
    assert laptop.push()["private"] == 1
    assert asked(laptop, "/api/me/private-sessions") == {"sessions": [own]}


def test_a_private_project_keeps_its_sessions_those_to_come_as_well(laptop: Laptop) -> None:
    before, after, beside = map(session_of, ("u before", "u after", "u beside"))
    laptop.write(before)
    laptop.write(
        beside, transcript(beside, range(4)).replace(b"/home/ada/till", b"/home/ada/tilly")
    )
    laptop.ask("mark-private", "--project", "/home/ada/till")
    laptop.write(after)
    laptop.push()
    assert arrived(laptop) == [beside]
    known = asked(laptop, "/api/me/private-sessions")["sessions"]
    assert known == sorted([before, after])
    laptop.ask("mark-private", "--project", "/home/ada/till", "--undo")
    laptop.push()
    assert arrived(laptop) == sorted([before, after, beside])


def test_the_session_going_on_in_a_folder_is_meant_where_none_is_named(laptop: Laptop) -> None:
    here = laptop.home / "work"
    here.mkdir()
    own = session_of("v own")
    content = transcript(own, range(4)).replace(b"/home/ada/till", str(here).encode())
    laptop.write(own, content)
    laptop.write(session_of("v elsewhere"))
    code, out, _ = laptop.run("mark-private", cwd=here)
    assert (code, own in out) == (0, True)
    assert laptop.run("statusline", input=json.dumps({"session_id": own}))[1] == "agnes: private\n"


def test_secrets_are_masked_before_they_leave_and_only_told_by_rule(
    line: Network, agnes: Running, tmp_path: Path
) -> None:
    laptop = Laptop(tmp_path / "home", line.url, agnes.token())
    session = session_of("w own")
    laptop.write(session, transcript_line(session, 0, f"export TOKEN\n{SECRET}\n"))
    told = laptop.push()
    # What was masked stays a beginning that later lines go on from.
    laptop.write(session, laptop.path(session).read_bytes() + transcript_line(session, 1))
    assert laptop.push()["sent"] == 1

    assert told["masked"] == {"github-pat": 1}
    assert SECRET.encode() not in uploads(line)
    assert b"[REDACTED:github-pat]" in uploads(line)
    assert len(revisions(laptop, session)) == 1
    for path in laptop.agnes.rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes()
    assert SECRET not in json.dumps(laptop.ask("status"))


def test_what_arrived_before_a_mark_that_did_not_know_of_it_is_removed(
    laptop: Laptop, agnes: Running, tmp_path: Path
) -> None:
    """As when a push was under way: here the other laptop's."""
    own = session_of("x own")
    token = json.loads((laptop.agnes / "credentials.json").read_text())["token"]
    other = Laptop(tmp_path / "other", agnes.url, token)
    other.write(own)
    other.push()
    assert arrived(laptop) == [own]
    laptop.write(own)
    assert laptop.ask("mark-private", own)["purged"] == [own]
    assert arrived(laptop) == []


@pytest.mark.parametrize(
    ("project", "folder", "inside"),
    [
        ("C:\\Users\\Ada\\till", "c:/users/ada/TILL/src", True),
        ("C:\\Users\\Ada\\till", "C:\\Users\\Ada\\tilly", False),
        ("/home/ada/till/", "/home/ada/till", True),
        ("/home/ada/till", "/home/ada/Till", False),
        ("/", "/home/ada", True),
    ],
)
def test_a_folder_lies_in_a_project_however_it_is_spelled(
    tmp_path: Path, project: str, folder: str, inside: bool
) -> None:
    private = PrivateList(tmp_path / "private.json")
    with private.changing():
        private.projects.append(project)
    assert bool(private.covers_folder(folder)) is inside


def test_marks_of_many_windows_at_once_are_all_kept(laptop: Laptop) -> None:
    ids = sorted(session_of(f"window {number}") for number in range(8))
    windows = [laptop.start("mark-private", one, "--json") for one in ids]
    for window in windows:
        window.communicate(timeout=120)
    assert [window.returncode for window in windows] == [0] * 8
    assert laptop.ask("mark-private", "--list")["sessions"] == ids


def test_a_mark_taken_back_before_the_server_knew_of_it_stops_no_push(
    agnes: Running, line: Network, tmp_path: Path
) -> None:
    laptop = Laptop(tmp_path / "home", line.url, agnes.token())
    own = session_of("y own")
    laptop.write(own)
    line.plan = ["up:0"] * 8
    assert laptop.ask("mark-private", own)["told"] is False
    assert laptop.ask("mark-private", own, "--undo")["told"] is False
    line.plan = []
    assert laptop.push()["sent"] == 1
    assert laptop.ask("mark-private", "--list")["sessions"] == []


@pytest.mark.parametrize("name", ["../x", "a b", "", "x" * 201])
def test_what_is_no_session_id_is_not_marked(laptop: Laptop, name: str) -> None:
    code, _, err = laptop.run("mark-private", name)
    assert (code, "Traceback" in err) == (2, False)
    assert laptop.ask("mark-private", "--list")["sessions"] == []
