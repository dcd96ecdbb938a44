"""No bytes and no JSON make anything crash, and every line is counted or counted as bad."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import User
from telemetry.events import SessionRows, derive
from telemetry.extracts import SourceFile, extract
from telemetry.models import UsageSessionSummary
from telemetry.surveys import survey
from telemetry.transcripts import (
    Block,
    HookInfo,
    Line,
    Message,
    Progress,
    Usage,
    decode_content,
    decode_line,
)
from tests.telemetry.database_dump import nothing_kept, process, upload
from tests.telemetry.profiles import quick, thorough

SID = "5e550001-0000-4000-8000-00000000000a"
NAME = f"{SID}.jsonl"

numbers = st.one_of(
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.sampled_from([10**25, 2**40, 2**53, 2**63, 2**64, -1, 0]),
)
texts = st.one_of(
    st.text(max_size=8),
    st.sampled_from(["\ud83d", "a\x00b", "", " ", "user", "2026-09-14T07:12:03.114Z", "x" * 700]),
)
anything = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=6,
)
FIELDS = sorted(
    {
        field
        for struct in (Line, Message, Usage, Block, HookInfo, Progress)
        for field in struct.__struct_fields__
    }
    | {"skill", "command", "subagent_type", "interrupted", "ephemeral_5m_input_tokens", "unheard"}
)
TYPES = """
    user assistant system attachment progress summary ai-title tool_use tool_result text
    agent_progress hook_progress hook_success stop_hook_summary
"""


def shapes() -> st.SearchStrategy[Any]:
    """Objects of known fields, in and below each other, with anything in them."""
    keyed = st.one_of(
        st.sampled_from(TYPES.split()), st.sampled_from(["u1", "u2", SID]), texts, anything
    )
    return st.recursive(
        keyed,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(st.sampled_from(FIELDS), inner, max_size=9),
        ),
        max_leaves=14,
    )


@st.composite
def odd_lines(draw: Callable[[st.SearchStrategy[Any]], Any]) -> bytes:
    """A line that looks like one of Claude Code's, some of whose fields hold anything."""
    block = {
        "type": draw(st.sampled_from(["tool_use", "tool_result", "text", "strange"])),
        "id": "toolu_1",
        "name": draw(st.sampled_from(["Skill", "Agent", "Bash", "mcp__a__b"])),
        "tool_use_id": "toolu_1",
        "input": {"skill": "ledger:reconcile", "subagent_type": "scout"},
        "content": "said",
        "text": "<command-name>/x</command-name>",
    }
    message = {
        "id": "msg_1",
        "model": "claude-opus-4-6",
        "content": [block],
        "usage": {"input_tokens": 3, "cache_creation": {"ephemeral_5m_input_tokens": 1}},
    }
    line: dict[str, Any] = {
        "type": draw(st.sampled_from(TYPES.split())),
        "uuid": draw(st.sampled_from(["u1", "u2", "u3"])),
        "sessionId": SID,
        "timestamp": "2026-09-14T07:12:03.114Z",
        "message": message,
        "data": {"type": "agent_progress", "message": {"type": "user", "uuid": "u4"}},
        "attachment": {"type": "hook_success", "hookEvent": "Stop"},
        "toolUseResult": {"interrupted": True},
        "origin": {"kind": "human"},
    }
    places: list[dict[str, Any]] = [
        line,
        message,
        block,
        line["data"],
        line["data"]["message"],
        line["attachment"],
        message["usage"],  # type: ignore[list-item]
    ]
    for place in draw(st.lists(st.sampled_from(places), min_size=1, max_size=3)):
        key = draw(st.sampled_from([*place, *FIELDS]))
        place[key] = draw(shapes())
    return json.dumps(line, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")


raw_lines = st.one_of(
    odd_lines(),
    shapes().map(lambda value: json.dumps(value).encode()),
    st.binary(max_size=40),
    st.sampled_from([b"null", b"", b" \r", b'"x"', b"\xef\xbb\xbf{}", b"{" * 3000, b"\x00" * 5]),
)
ANCHOR = json.dumps({"type": "user", "uuid": "u0", "sessionId": SID, "message": {"content": "x"}})


def chunked(content: bytes, size: int) -> Iterator[bytes]:
    return (content[at : at + size] for at in range(0, len(content), size))


def rows_of(content: bytes, size: int = 1 << 16) -> SessionRows:
    source = SourceFile(NAME, [partial(chunked, content, size)])
    return derive([extract([source], SID)])[0]


def non_blank(content: bytes) -> int:
    return sum(1 for line in content.split(b"\n") if line.strip())


@thorough
@given(st.lists(raw_lines, max_size=5), st.sampled_from([b"\n", b"\r\n"]), st.integers(1, 99))
def test_every_line_is_counted_or_counted_as_bad(
    lines: list[bytes], newline: bytes, size: int
) -> None:
    content = newline.join([ANCHOR.encode(), *lines])

    seen = survey(chunked(content, size), NAME)
    rows = rows_of(content, size)

    assert seen.lines == non_blank(content)
    if set(seen.session_ids) == {SID}:
        assert rows.facts.lines == seen.lines
        assert rows.facts.bad_lines == seen.bad_lines
    assert rows.facts.bad_lines <= rows.facts.lines


@thorough
@given(odd_lines())
def test_a_line_of_odd_types_is_never_skipped(line: bytes) -> None:
    rows = rows_of(b"\n".join([ANCHOR.encode(), line]))

    try:
        line.decode()
    except UnicodeDecodeError:
        assert rows.facts.bad_lines == 1
    else:
        assert rows.facts.bad_lines == 0


@pytest.mark.django_db
@quick
@given(st.lists(st.lists(odd_lines(), min_size=8, max_size=25), min_size=1, max_size=3))
def test_odd_lines_are_stored(files: list[list[bytes]]) -> None:
    with nothing_kept():
        ada = User.objects.create_user("ada@example.org")
        for number, lines in enumerate(files):
            name = f"{SID}/agent-{number}.jsonl" if number else NAME
            upload(ada, name, b"\n".join([ANCHOR.encode(), *lines]))
        process()

        assert UsageSessionSummary.objects.filter(user=ada).exists()


def line_with(**fields: str) -> bytes:
    """A line of raw JSON fields, known otherwise."""
    known = {"type": '"assistant"', "uuid": '"u1"', "sessionId": f'"{SID}"'} | fields
    return ("{" + ",".join(f'"{key}":{value}' for key, value in known.items()) + "}").encode()


CALL = '{"type":"tool_use","id":"toolu_1","name":"Bash"}'
ABSURD = {
    "a number of 5000 digits in a block": line_with(
        message='{"content":[' + CALL + ',{"type":' + "1" * 5000 + "}]}"
    ),
    "a number of 5000 digits in a result": line_with(
        type='"user"',
        toolUseResult='{"interrupted":' + "1" * 5000 + "}",
        message='{"content":[{"type":"tool_result","tool_use_id":"toolu_1"}]}',
    ),
    "a number beyond doubles": line_with(
        type='"user"',
        toolUseResult='{"interrupted":true,"is":1e999}',
        message='{"content":[{"type":"tool_result","tool_use_id":"toolu_1"}]}',
    ),
    "a number beyond doubles in a title": line_with(type='"summary"', uuid="null", summary="1e999"),
    "a number beyond doubles in progress": line_with(
        type='"progress"',
        data='{"type":"agent_progress","n":1e999,"message":{"type":"user","uuid":"u2",'
        '"toolUseResult":1e999,"message":{"content":1e999}}}',
    ),
    "nested content": line_with(message='{"content":[' + "[" * 300 + "]" * 300 + "]}"),
    "a line of nothing but keys": line_with(**{f"unheard{number}": "1" for number in range(3000)}),
}


@pytest.mark.parametrize("line", ABSURD.values(), ids=ABSURD.keys())
def test_absurd_values_are_read_past(line: bytes) -> None:
    rows = rows_of(b"\n".join([ANCHOR.encode(), line]))

    assert (rows.facts.lines, rows.facts.bad_lines) == (2, 0)


@pytest.mark.parametrize("depth", [90, 300, 400, 600, 800, 900, 950, 990, 1_000, 5_000, 200_000])
@pytest.mark.parametrize("opened", ["[", '{"a":'])
def test_what_is_nested_beyond_all_reason_costs_nothing_but_itself(depth: int, opened: str) -> None:
    nested = opened * depth + "1" + ("]" if opened == "[" else "}") * depth
    input_of = CALL.removesuffix("}") + ',"input":' + nested + "}"
    lines = [
        line_with(message=f'{{"content":{nested}}}', toolUseResult=nested),
        line_with(uuid='"u2"', message=f'{{"content":[{{"type":"text","text":{nested}}}]}}'),
        line_with(uuid='"u3"', message=f'{{"content":[{input_of}]}}'),
        line_with(uuid='"u4"', type='"user"', message=f'{{"content":{nested}}}', unheard=nested),
        line_with(uuid='"u5"', type='"progress"', data=nested),
    ]

    content = b"\n".join([ANCHOR.encode(), *lines])
    rows = rows_of(content)

    assert (rows.facts.lines, rows.facts.bad_lines) == (6, 0)
    assert rows.facts.user_messages == 2
    assert [event.tool_name for event in rows.events] == ["Bash"]
    assert survey([content], NAME).bad_lines == 0


@pytest.mark.parametrize(
    "line",
    [
        "[" * 5_000 + "]" * 5_000,
        '{"uuid":"u1","a":' + "[" * 5_000 + "}",
        '{"uuid":"u1","a":' + "[" * 5_000 + "]" * 5_000 + "}{}",
        '{"uuid":"u1","a":' + "[" * 5_000 + "]" * 5_001 + "}",
        '{"uuid":"u1","a":' + "[" * 5_000 + "]" * 5_000 + ',"b":"' + '\\"' * 50_000,
        '{"uuid":"u1","a":' + "[" * 5_000 + "[]," * 1_100_000 + "1" + "]" * 5_000 + "}",
    ],
    ids=["no object", "cut off", "glued", "closed too often", "text without end", "too much"],
)
def test_what_is_nested_and_broken_is_a_bad_line(line: str) -> None:
    facts = rows_of(b"\n".join([ANCHOR.encode(), line.encode()])).facts
    assert (facts.lines, facts.bad_lines) == (2, 1)


def test_brackets_in_texts_are_no_nesting() -> None:
    deep = "[" * 5_000 + "]" * 5_000
    line = line_with(
        type='"user"',
        message='{"content":"' + "[" * 5_000 + '\\" ]} \\\\"}',
        data=deep,
        promptSource='"typed"',
    )

    decoded = decode_line(line)

    assert decoded is not None
    assert decoded.line.promptSource == "typed"
    assert decoded.line.message is not None
    assert decode_content(decoded.line.message.content) == "[" * 5_000 + '" ]} \\'


def test_a_line_over_the_limit_is_counted_and_skipped() -> None:
    long = line_with(unheard='"' + "x" * (32 * 1024 * 1024) + '"')
    content = b"\n".join([ANCHOR.encode(), long, ANCHOR.replace("u0", "u9").encode()])

    rows = rows_of(content)
    seen = survey(chunked(content, 1 << 16), NAME)

    assert (seen.lines, seen.bad_lines) == (3, 1)
    assert (rows.facts.lines, rows.facts.bad_lines, rows.facts.user_messages) == (3, 1, 2)


def test_tokens_beyond_all_reason_do_not_overflow_the_sums() -> None:
    usage = '"usage":{"input_tokens":9007199254740991,"output_tokens":18446744073709551615}'
    lines = [line_with(uuid=f'"u{number}"', message="{" + usage + "}") for number in range(3_000)]

    facts = rows_of(b"\n".join([ANCHOR.encode(), *lines])).facts

    assert facts.responses == 3_000
    assert facts.input_tokens + facts.output_tokens < 2**63


@pytest.mark.parametrize(
    ("written", "counted"),
    [
        ("12", 12),
        ("12.0", 12),
        ("1.2e1", 12),
        ("0.0", 0),
        # No number of tokens.
        ("12.5", 0),
        ("-12.0", 0),
        ("1e30", 0),
        ("true", 0),
        ('"12"', 0),
    ],
)
def test_a_whole_number_of_tokens_counts_however_it_is_written(written: str, counted: int) -> None:
    usage = f'"usage":{{"input_tokens":{written},"output_tokens":7}}'
    line = line_with(type='"assistant"', message="{" + usage + "}")

    facts = rows_of(b"\n".join([ANCHOR.encode(), line])).facts

    assert (facts.responses, facts.input_tokens, facts.output_tokens) == (1, counted, 7)


MEMORY = """
import resource, sys
from telemetry.extracts import SourceFile, extract
from telemetry.surveys import survey
def chunks():
    yield b'{"type":"user","uuid":"u0","sessionId":"S","message":{"content":"x"}}\\n{"uuid":"'
    for _ in range(int(sys.argv[1])):
        yield b"x" * (1 << 20)
    yield b'"}\\n{"type":"user","uuid":"u1","sessionId":"S"}'
assert survey(chunks(), "x.jsonl").bad_lines == 1
found = extract([SourceFile("x.jsonl", [chunks])], "S")
assert (found.bad_lines, len(found.lines)) == (1, 2)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def test_a_line_of_half_a_gigabyte_needs_no_more_memory_than_the_longest_one_read() -> None:
    def megabytes(size: int) -> int:
        command = [sys.executable, "-c", MEMORY, str(size)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        return int(done.stdout)

    assert megabytes(500) < megabytes(40) + 20
