"""The client against a running server: everything arrives once, whatever breaks."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.agnes_cli.conftest import Running
from tests.agnes_cli.laptop import Laptop, arrived, asked, revisions
from tests.agnes_cli.network import Network
from tests.agnes_project.test_supervisor import wait_until
from tests.telemetry.transcript_lines import line as transcript_line
from tests.telemetry.transcript_lines import session_of, transcript


def sizes(laptop: Laptop, session_id: str) -> list[int]:
    return [one["size"] for one in revisions(laptop, session_id)]


def big(session_id: str, lines: int, text: str = "") -> bytes:
    """Lines that hardly compress."""
    return b"".join(
        transcript_line(session_id, number, text or os.urandom(6000).hex())
        for number in range(lines)
    )


def test_a_first_push_sends_500_sessions_and_the_next_ones_only_what_grew(laptop: Laptop) -> None:
    ids = [session_of(f"many {number}") for number in range(500)]
    for number, session_id in enumerate(ids):
        laptop.write(session_id, project=f"-home-ada-{number % 7}")

    first = laptop.push()
    assert (first["sent"], first["unchanged"], first["waiting"], first["refused"]) == (
        500,
        0,
        [],
        [],
    )
    again = laptop.push()
    assert (again["sent"], again["unchanged"]) == (0, 500)

    content = big(ids[0], 30)
    laptop.write(ids[0], content, project="-home-ada-0")
    assert laptop.push()["sent"] == 1
    tail = transcript_line(ids[0], 40, "one more")
    laptop.write(ids[0], content + tail, project="-home-ada-0")
    grown = laptop.push()

    assert grown["sent"] == 1
    assert grown["bytes_sent"] < 1000 < len(content)
    assert sizes(laptop, ids[0])[0] == len(content + tail)
    assert asked(laptop, "/api/me/sessions")["total"] == 500


def test_all_layouts_arrive_and_other_files_stay(laptop: Laptop) -> None:
    session = session_of("layouts")
    folder = laptop.write(session).parent
    inner = folder / session / "subagents" / "workflows" / "wf_1"
    inner.mkdir(parents=True)
    for path in [
        folder / session / "subagents" / "agent-1a2b.jsonl",
        inner / "agent-3c4d.jsonl",
        folder / "agent-5e6f.jsonl",
        folder / f"{session}.jsonl.orphaned.17",
    ]:
        path.write_bytes(transcript_line(session, len(str(path))))
    (folder / session / "subagents" / "agent-1a2b.meta.json").write_text("{}")
    (folder / "empty.jsonl").write_text("")
    (laptop.claude / "history.jsonl").write_text('{"display":"secret"}\n')
    (folder / "link.jsonl").symlink_to(laptop.claude / "history.jsonl")

    told = laptop.push()

    assert told["sent"] == 5
    assert told["refused"] == told["waiting"] == []
    for name in ("agent-1a2b", "workflows/wf_1/agent-3c4d"):
        assert len(revisions(laptop, f"{session}/{name}")) == 1
    assert len(revisions(laptop, "agent-5e6f")) == 1
    assert len(revisions(laptop, session)) == 2  # the leftover is a revision of the main file


def test_a_line_that_is_still_being_written_waits_for_its_end(laptop: Laptop) -> None:
    session = session_of("cut")
    whole = transcript(session, range(4))
    laptop.write(session, whole[:-30])
    laptop.push()
    assert sizes(laptop, session) == [len(transcript(session, range(3)))]
    laptop.write(session, whole[:-1])  # complete, but for its newline
    laptop.push()
    laptop.write(session, whole + transcript_line(session, 5))
    laptop.push()
    assert sizes(laptop, session) == [len(whole + transcript_line(session, 5))]


def test_a_rewritten_file_is_sent_whole_and_stands_beside_the_first(laptop: Laptop) -> None:
    session = session_of("rewritten")
    laptop.write(session)
    laptop.push()
    other = transcript(session, range(20, 23))
    laptop.write(session, other)
    assert laptop.push()["sent"] == 1
    assert sorted(sizes(laptop, session)) == sorted(
        [len(other), len(transcript(session, range(4)))]
    )


def test_a_lost_ledger_costs_time_but_sends_nothing_twice(laptop: Laptop) -> None:
    session = session_of("lost ledger")
    laptop.write(session)
    laptop.push()
    laptop.ledger().unlink()
    laptop.push()
    laptop.write(session, transcript(session, range(8)))
    laptop.push()
    assert sizes(laptop, session) == [len(transcript(session, range(8)))]


def test_another_laptops_growth_in_between_is_no_conflict(
    laptop: Laptop, agnes: Running, tmp_path: Path
) -> None:
    session = session_of("two laptops")
    laptop.write(session)
    laptop.push()
    token = json.loads((laptop.agnes / "credentials.json").read_text())["token"]
    other = Laptop(tmp_path / "other", agnes.url, token)
    other.write(session, transcript(session, range(9)))
    other.push()
    laptop.write(session, transcript(session, range(12)))
    laptop.push()
    assert sizes(laptop, session) == [len(transcript(session, range(12)))]


def test_a_refused_token_keeps_everything_until_the_next_sign_in(
    agnes: Running, tmp_path: Path
) -> None:
    laptop = Laptop(tmp_path / "home", agnes.url, agnes.token())
    session = session_of("401")
    laptop.write(session)
    path = laptop.agnes / "credentials.json"
    good = path.read_text()
    bad = json.loads(good) | {"token": "agn_" + "0" * 49}
    path.write_text(json.dumps(bad))

    code, _, err = laptop.run("push")
    assert (code, "agnes login" in err) == (3, True)
    assert laptop.ask("status")["files"]["waiting"] == 1

    path.write_text(good)
    assert laptop.push()["sent"] == 1
    assert arrived(laptop) == [session]


def test_answers_of_500_are_tried_again(line: Network, agnes: Running, tmp_path: Path) -> None:
    laptop = Laptop(tmp_path / "home", line.url, agnes.token())
    session = session_of("500")
    laptop.write(session)
    line.plan = ["500", "500"]
    told = laptop.push()
    assert (told["sent"], told["waiting"]) == (1, [])
    assert arrived(laptop) == [session]


def test_a_connection_cut_in_mid_upload_is_taken_up_again(
    line: Network, agnes: Running, tmp_path: Path
) -> None:
    laptop = Laptop(tmp_path / "home", line.url, agnes.token())
    session = session_of("cut upload")
    content = big(session, 200)
    laptop.write(session, content)
    line.plan = ["up:300000", "up:700000"]
    assert laptop.push()["sent"] == 1
    assert sizes(laptop, session) == [len(content)]


def test_a_server_that_answers_too_late_to_be_heard_stores_it_once(
    line: Network, agnes: Running, tmp_path: Path
) -> None:
    laptop = Laptop(tmp_path / "home", line.url, agnes.token())
    session = session_of("lost answer")
    laptop.write(session)
    line.plan = ["down:10"]
    assert laptop.push()["sent"] == 1
    assert sizes(laptop, session) == [len(transcript(session, range(4)))]


def test_two_pushes_at_once_send_everything_once(laptop: Laptop) -> None:
    ids = sorted(session_of(f"at once {number}") for number in range(30))
    for session_id in ids:
        laptop.write(session_id)
    running = [laptop.start("push", "--json") for _ in range(2)]
    told = [json.loads(one.communicate(timeout=120)[0]) for one in running]
    assert [one.returncode for one in running] == [0, 0]
    assert sum(one["sent"] for one in told) == 30
    assert arrived(laptop) == ids


def test_a_clock_that_was_set_back_delays_nothing(laptop: Laptop) -> None:
    session = session_of("clock")
    path = laptop.write(session)
    laptop.push()
    ledger = json.loads(laptop.ledger().read_text())
    name = path.relative_to(laptop.projects).as_posix()
    ledger["files"][name] = {"state": "waiting", "attempts": 3, "next_at": 4e9}
    laptop.ledger().write_text(json.dumps(ledger))
    os.utime(path, (4e9, 4e9))
    assert laptop.run("push", "--background")[0] == 0
    assert laptop.ask("status")["files"]["sent"] == 1


def test_a_file_the_server_cannot_count_is_refused_once_and_told(laptop: Laptop) -> None:
    folder = laptop.write(session_of("good")).parent
    (folder / "rollout.jsonl").write_text('{"type":"session_meta","payload":{}}\n')
    told = laptop.push()
    assert told["sent"] == 1
    assert [one["file"] for one in told["refused"]] == ["-home-ada-till/rollout.jsonl"]
    assert laptop.ask("status")["failed"][0]["state"] == "refused"


def test_an_opted_out_person_sends_nothing_until_they_opt_in(laptop: Laptop) -> None:
    laptop.write(session_of("opt out"))
    assert laptop.ask("opt-out")["telemetry_opt_out"] is True
    code, _, err = laptop.run("push")
    assert (code, "opted out" in err) == (5, True)
    laptop.ask("opt-out", "--undo")
    assert laptop.push()["sent"] == 1


def test_while_the_server_is_away_everything_is_kept_and_sent_after_its_restart(
    agnes: Running, tmp_path: Path
) -> None:
    laptop = Laptop(tmp_path / "home", agnes.url, agnes.token())
    session = session_of("restart")
    laptop.write(session)
    agnes.instance.stop()
    try:
        code, _, err = laptop.run("push")
        assert (code, "cannot be reached" in err) == (4, True)
    finally:
        agnes.restart()
    assert laptop.push()["sent"] == 1
    assert arrived(laptop) == [session]


def test_a_full_disk_at_the_server_keeps_the_session_here(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    (data_dir / "tmp").mkdir(parents=True)
    mounted = (
        shutil.which("mount")
        and not subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(data_dir / "tmp")],
            capture_output=True,
        ).returncode
    )
    if not mounted:
        pytest.skip("a small disk cannot be mounted here")
    running = None
    try:
        running = Running(data_dir)
        laptop = Laptop(tmp_path / "home", running.url, running.token())
        session = session_of("full disk")
        laptop.write(session, big(session, 100))
        told = laptop.push(code=4)
        assert "no room left" in told["waiting"][0]["why"]
        subprocess.run(["umount", "-l", str(data_dir / "tmp")], check=True)
        mounted = False
        assert laptop.push()["sent"] == 1
        assert arrived(laptop) == [session]
    finally:
        if running:
            running.instance.stop()
        if mounted:
            subprocess.run(["umount", "-l", str(data_dir / "tmp")], check=True)


def test_a_hook_sends_without_claude_code_and_survives_it(laptop: Laptop) -> None:
    session = session_of("hook")
    laptop.write(session)
    # Claude Code may end its hooks with the group they run in.
    hook = laptop.start("hook", start_new_session=True)
    out, err = hook.communicate('{"session_id": "../../etc", "transcript_path": "/etc/passwd"}')
    os.killpg(hook.pid, 9) if _lives(hook.pid) else None
    assert (hook.returncode, out, err) == (0, "", "")
    wait_until(lambda: arrived(laptop) == [session], 30)


def test_a_hook_says_nothing_where_nobody_signed_in(tmp_path: Path) -> None:
    laptop = Laptop(tmp_path / "home")
    assert laptop.run("hook", input="no json") == (0, "", "")
    assert not laptop.agnes.exists()


def _lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except OSError:
        return False
    return True
