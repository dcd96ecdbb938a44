"""A first look at a file: whose it is, and whose lines it holds."""

from typing import Any

import pytest

from benchmarks.transcript_lines import encode, metadata, prompt
from telemetry.surveys import Survey, survey
from tests.telemetry.counting import FIRST, MAIN, SECOND, after, count_files, thread

HELLO = prompt(thread(), "Hello", at=after(0))
OTHER = prompt(thread(SECOND), "Hello", at=after(0))
UNNAMED = {key: value for key, value in HELLO.items() if key != "sessionId"}


def look(*lines: Any, name: str = MAIN) -> Survey:
    return survey([encode(lines)], name)


@pytest.mark.parametrize(
    ("lines", "verdict"),
    [
        ([HELLO], "claude"),
        ([metadata(thread(), "ai-title", aiTitle="x")], "claude"),
        ([b"null", HELLO], "claude"),
        ([], "nothing"),
        ([b"null"], "nothing"),
        ([{"type": "summary", "summary": "x", "leafUuid": "y"}], "nothing"),
        ([{"type": "file-history-snapshot", "messageId": "x", "snapshot": {}}], "nothing"),
        ([{"type": "started", "key": "x"}, {"type": "result", "key": "x"}], "nothing"),
        ([UNNAMED], "nothing"),
        ([{"type": "session_meta", "payload": {"id": "x"}}], "foreign"),
        ([{"type": "response_item", "payload": {}, "sessionId": "x"}], "foreign"),
        ([{"sessionId": "x", "projectHash": "y"}, {"type": "gemini", "id": "1"}], "foreign"),
        ([{"sessionId": "x", "role": "user"}], "foreign"),
    ],
)
def test_what_a_file_is(lines: list[Any], verdict: str) -> None:
    assert look(*lines).verdict == verdict


def test_sessions_come_in_the_order_of_first_sight() -> None:
    assert look(OTHER, HELLO, OTHER, name="notes.jsonl").session_ids == [SECOND, FIRST]


@pytest.mark.parametrize(
    ("name", "owner"),
    [
        (MAIN, FIRST),
        (f"{FIRST}/agent-abc.jsonl", FIRST),
        ("agent-abc.jsonl", SECOND),
        ("notes.jsonl", SECOND),
        (f"{FIRST}.jsonl.orphaned", SECOND),
    ],
)
def test_a_line_without_a_session_goes_with_its_file_else_with_its_neighbour(
    name: str, owner: str
) -> None:
    nameless = {**UNNAMED, "uuid": "another"}
    for lines in ([OTHER, nameless], [nameless, OTHER]):
        sessions = count_files({name: encode(lines)})

        counted = {one: rows.facts.user_messages for one, rows in sessions.items()}
        assert counted == ({SECOND: 2} if owner == SECOND else {SECOND: 1, FIRST: 1})


def test_a_bad_line_goes_with_its_neighbour() -> None:
    content = encode([b"null", HELLO, b"null", OTHER, b"{", b"{"])

    sessions = count_files({"notes.jsonl": content})

    assert sessions[FIRST].facts.bad_lines == 2
    assert sessions[SECOND].facts.bad_lines == 2
    assert survey([content], "notes.jsonl").bad_lines == 4


def test_a_bad_line_counts_in_a_session_that_the_file_really_holds() -> None:
    sessions = count_files({MAIN: encode([b"null", OTHER, b"null"])})

    assert {one: rows.facts.bad_lines for one, rows in sessions.items()} == {SECOND: 2}


def test_blank_lines_are_no_lines() -> None:
    found = survey([b"\n \n", encode([HELLO]), b"\r\n\t\n"], MAIN)

    assert (found.lines, found.bad_lines) == (1, 0)
