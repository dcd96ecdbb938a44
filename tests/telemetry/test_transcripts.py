"""Bytes to lines: nothing is lost for its text, and nothing but damage is skipped."""

import json
from datetime import UTC, datetime

import msgspec
import pytest

from benchmarks.transcript_lines import answer, encode, prompt, text, tool_use
from telemetry import transcripts
from telemetry.transcripts import (
    MAX_BLOCKS,
    Tally,
    decode_content,
    decode_line,
    epoch_ms,
    read_lines,
)
from tests.telemetry.counting import FIRST, MAIN, after, count, count_files, event, thread

WHOLE = encode([prompt(thread(), "Hello", at=after(0))]).rstrip()


def lines_of(content: bytes, size: int) -> tuple[list[bytes], int]:
    tally = Tally(too_long=[])
    chunks = (content[at : at + size] for at in range(0, len(content), size))
    return list(read_lines(chunks, tally)), tally.lines


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100, 1 << 20])
@pytest.mark.parametrize("content", [b"", b"\n", b"a\nbb\n\n \r\nccc", b"a\n\n\nb\n", b"abc"])
def test_lines_are_the_same_in_chunks_of_any_size(content: bytes, size: int) -> None:
    expected = [line for line in content.split(b"\n") if line.strip()]

    assert lines_of(content, size) == (expected, len(expected))


@pytest.mark.parametrize("size", [1, 5, 64])
def test_long_lines_are_skipped_wherever_chunks_end(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transcripts, "MAX_LINE_BYTES", 20)
    content = b"short\n" + b"x" * 21 + b"\n" + b"y" * 20 + b"\n" + b"z" * 99

    assert lines_of(content, size) == ([b"short", b"y" * 20], 4)


@pytest.mark.parametrize(
    "bad",
    [
        b"null",
        b"true",
        b'"text"',
        b"7",
        b"[1]",
        b"{",
        b"}",
        b'{"type":"us',
        b'{"type":"user"',
        b'{"a":1}{"b":2}',
        b'{"a":1} {"b":2}',
        b"{'type':'user'}",
        b'{"type":"user",}',
        b'{"type":"user","x":"\xff"}',
        b'{"type":"user","x":"\xed\xa0\xbd"}',
        b'{"type":"user","x":"\x00"}',
        b'{"type":"user","x":"a\tb"}',
        b"\x00\x00\x00",
        b"\xff\xfe{\x00}\x00",
        WHOLE + WHOLE,
        WHOLE[:-1],
        WHOLE[:40],
    ],
)
def test_a_bad_line_is_counted_and_skipped(bad: bytes) -> None:
    on = thread()
    before, behind = prompt(on, "One", at=after(0)), prompt(on, "Two", at=after(1))

    facts = count(before, bad, behind, bad).facts

    assert (facts.prompts, facts.lines, facts.bad_lines, facts.mended_lines) == (2, 4, 2, 0)


@pytest.mark.parametrize(
    ("escaped", "read"),
    [
        (rb"\ud83d", "\ufffd"),
        (rb"\ude00", "\ufffd"),
        (rb"\ude00\ud83d", "\ufffd\ufffd"),
        (rb"\u0000", ""),
        (rb"a\u0000b", "ab"),
    ],
)
def test_what_a_database_cannot_hold_is_mended(escaped: bytes, read: str) -> None:
    raw = encode([answer(thread(), tool_use("t", "NAME"), at=after(0))])

    rows = count(raw.rstrip().replace(b"NAME", escaped))

    assert event(rows).tool_name == read
    assert (rows.facts.mended_lines, rows.facts.bad_lines) == (1, 0)


@pytest.mark.parametrize(
    ("escaped", "read"),
    [(rb"\ud83d\ude00", "\U0001f600"), (rb"\\u0000", "\\u0000"), (rb"\\ud83d", "\\ud83d")],
)
def test_what_only_looks_broken_stays_as_it_is(escaped: bytes, read: str) -> None:
    raw = encode([answer(thread(), tool_use("t", "NAME"), at=after(0))])

    rows = count(raw.rstrip().replace(b"NAME", escaped))

    assert event(rows).tool_name == read
    assert rows.facts.mended_lines == 0


def test_a_file_may_end_without_a_newline() -> None:
    content = encode([prompt(thread(), "Hello", at=after(0))])

    for ending in (content, content.rstrip(b"\n"), content + b"\n \n"):
        assert count_files({MAIN: ending})[FIRST].facts.prompts == 1


def test_windows_line_ends_and_a_byte_order_mark_change_nothing() -> None:
    on = thread()
    content = encode([prompt(on, "One", at=after(0)), prompt(on, "Two", at=after(1))])
    odd = b"\xef\xbb\xbf" + content.replace(b"\n", b"\r\n")

    facts = count_files({MAIN: odd})[FIRST].facts

    assert (facts.prompts, facts.lines, facts.bad_lines) == (2, 2, 0)


def test_a_line_without_a_uuid_is_the_same_in_a_copy_with_windows_line_ends() -> None:
    line = prompt(thread(), "One", at=after(0))
    del line["uuid"]
    content = encode([line])

    sessions = count_files({MAIN: content, "copy.jsonl": content.replace(b"\n", b"\r\n")})

    assert sessions[FIRST].facts.prompts == 1


@pytest.mark.parametrize("number", ["1" * 5_000, "1e999", "-1", "1.5", "true", '"7"', "NaN", "{}"])
def test_a_number_that_cannot_be_counted_counts_nothing(number: str) -> None:
    usage = '{"input_tokens":' + number + ',"output_tokens":9}'
    message = '{"id":"m","model":"x","usage":' + usage + "}"
    line = '{"type":"assistant","uuid":"u","sessionId":"s","message":' + message + "}"

    facts = count(line.encode()).facts

    assert (facts.input_tokens, facts.output_tokens, facts.bad_lines) == (0, 9, 0)


def test_known_fields_of_a_wrong_type_count_as_absent() -> None:
    line = answer(thread(), text("x"), at=after(0))
    odd = {**line, "isSidechain": "yes", "version": 7, "timestamp": 5, "gitBranch": [], "cwd": {}}

    rows = count(odd)

    assert rows.facts.responses == 1
    assert (rows.lineage.versions, rows.facts.bad_lines) == ([], 0)


def test_of_a_key_that_stands_there_twice_the_last_holds() -> None:
    line = b'{"type":"user","type":"assistant","uuid":"u","sessionId":"s"}'
    decoded = decode_line(line)

    assert decoded is not None
    assert decoded.line.type == json.loads(line)["type"] == "assistant"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("1970-01-01T00:00:00.001Z", 1),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1970-01-01T00:00:01", 1_000),
        ("1970-01-01", 0),
        ("0001-01-01T00:00:00+14:00", None),
        ("9999-12-31T23:59:59-14:00", None),
        ("1970-13-01T00:00:00Z", None),
        ("soon", None),
        ("", None),
    ],
)
def test_times_are_read_as_utc(written: str, read: int | None) -> None:
    decoded = decode_line(json.dumps({"type": "user", "timestamp": written}).encode())

    assert decoded is not None
    assert epoch_ms(decoded.line.timestamp) == read


def test_a_time_without_a_zone_is_utc() -> None:
    moment = datetime(2026, 9, 14, 8, tzinfo=UTC)

    assert epoch_ms(moment.replace(tzinfo=None)) == epoch_ms(moment)


def test_a_content_of_countless_blocks_is_not_looked_at() -> None:
    """Millions of empty blocks fit into one line and would take a gigabyte to decode."""
    few = msgspec.Raw(b"[" + b'{"type":"text","text":"{{{"},' * 9 + b"{}]")
    many = msgspec.Raw(b"[" + b"{}," * (MAX_BLOCKS + 1) + b"{}]")
    braces = msgspec.Raw(b'[{"type":"text","text":"' + b"{" * (MAX_BLOCKS + 9) + b'"}]')

    assert len(decode_content(few) or ()) == 10
    assert decode_content(many) is None
    assert len(decode_content(braces) or ()) == 1
