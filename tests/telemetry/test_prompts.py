"""What counts as a prompt that a person typed, and what as a slash command."""

from typing import Any

import pytest

from benchmarks.transcript_lines import (
    HUMAN,
    Line,
    Thread,
    encode,
    meta,
    prompt,
    result,
    skill_body,
    text,
)
from telemetry import transcripts
from telemetry.prompts import typed_command
from tests.telemetry.counting import FIRST, MAIN, after, count, count_files, event, thread

IMAGE = {"type": "image", "source": {"type": "base64", "data": ""}}


@pytest.mark.parametrize(
    ("content", "fields", "prompts"),
    [
        ("Please look", {}, 1),
        ([text("Please look")], {}, 1),
        ([text("Please look")], HUMAN, 1),
        ([IMAGE], {}, 1),
        ([text(" "), IMAGE], {}, 1),
        ("  [Requested by mail]", {}, 1),
        ("queued", {"promptSource": "queued"}, 1),
        ("taken over", {"promptSource": "suggestion_accepted"}, 1),
        ("<bash-input>ls</bash-input>", HUMAN, 1),
        ("by a program", {"promptSource": "sdk"}, 0),
        ("by a program", {"promptSource": "sdk", "origin": {"kind": "human"}}, 0),
        ("by the system", {"promptSource": "system"}, 0),
        ("a notice", {"origin": {"kind": "task-notification"}}, 0),
        ("a peer", {"origin": {"kind": "peer"}}, 0),
        ("a coordinator", {"origin": {"kind": "coordinator"}, "promptSource": "typed"}, 0),
        ("the story so far", {"isCompactSummary": True}, 0),
        ("a caveat", {"isMeta": True}, 0),
        ("a subagent's task", {"isSidechain": True}, 0),
        ("<local-command-stdout>x</local-command-stdout>", {}, 0),
        ("<bash-input>ls</bash-input>", {}, 0),
        ("<bash-stdout>x</bash-stdout>", {}, 0),
        ("<task-notification>done</task-notification>", {}, 0),
        ("[Request interrupted by user]", {}, 0),
        ("[Request interrupted by user for tool use]", {}, 0),
        ("<command-message>no name</command-message>", {}, 0),
        ("", {}, 0),
        ("\n ", {}, 0),
        (None, {}, 0),
        (7, {}, 0),
        ([], {}, 0),
    ],
)
def test_only_what_a_person_typed_is_a_prompt(
    content: Any, fields: dict[str, Any], prompts: int
) -> None:
    rows = count(prompt(thread(), content, at=after(0), **fields))

    assert rows.facts.prompts == prompts
    assert rows.facts.user_messages == 1
    assert rows.events == []


def test_a_result_is_no_prompt_whatever_stands_beside_it() -> None:
    block = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "x"}

    assert count(prompt(thread(), [block, text("and?")], at=after(0), **HUMAN)).facts.prompts == 0
    assert count(result(thread(), "toolu_1", "x", at=after(0))).facts.prompts == 0


def test_a_prompt_that_stands_there_twice_is_one() -> None:
    line = prompt(thread(), "Hello", at=after(0))

    assert count(line, line).facts.prompts == 1


def test_a_subagents_file_holds_no_prompts() -> None:
    side = Thread(FIRST, agent_id="abc")
    line: Line = {**prompt(side, "Look", at=after(0)), "isSidechain": False}
    main = prompt(thread(), "Hello", at=after(0))

    rows = count_files({MAIN: encode([main]), f"{FIRST}/agent-abc.jsonl": encode([line])})

    assert rows[FIRST].facts.prompts == 1


MESSAGE = "<command-message>ledger:close</command-message>"
NAME = "<command-name>/ledger:close</command-name>"
ARGS = "<command-args>march</command-args>"


@pytest.mark.parametrize(
    "content",
    [
        f"{MESSAGE}\n{NAME}\n{ARGS}",
        f"{NAME}\n{MESSAGE}\n{ARGS}",
        f"{NAME}\n            {MESSAGE}\n            {ARGS}",
        f"{MESSAGE}\n{NAME}",
        f"{NAME}",
        f"  {NAME}",
        NAME.replace("/ledger:close<", "ledger:close<"),
        NAME.replace("/ledger:close", " /ledger:close "),
        [text(f"{MESSAGE}\n{NAME}")],
    ],
)
def test_every_shape_of_a_typed_command_is_one_event(content: Any) -> None:
    rows = count(prompt(thread(), content, at=after(0)))

    found = event(rows)
    assert (found.event_type, found.command_name) == ("slash_command", "ledger:close")
    assert found.stands_for_activation
    assert (found.tool_use_id, found.tool_name) == (None, None)
    assert (rows.facts.slash_commands, rows.facts.prompts, rows.facts.tool_calls) == (1, 0, 0)


@pytest.mark.parametrize(
    "content",
    [
        "I like <command-name>/x</command-name>",
        "<command-name></command-name>",
        "<command-name> / </command-name>",
        "<command-message>x</command-message>",
        "<local-command-stdout><command-name>/x</command-name></local-command-stdout>",
    ],
)
def test_what_only_looks_like_a_command_is_none(content: str) -> None:
    assert count(prompt(thread(), content, at=after(0))).events == []


def test_a_machine_made_command_line_is_no_event() -> None:
    assert count(meta(thread(), NAME, at=after(0))).events == []


def test_a_command_counts_once_for_each_line() -> None:
    on = thread()
    line = prompt(on, NAME, at=after(0))

    assert len(count(line, line, prompt(on, NAME, at=after(0))).events) == 2


def test_a_skills_body_is_no_prompt() -> None:
    body = skill_body(thread(), "till-market/ledger/1.4.0/skills/close", at=after(0))

    assert count(body).facts.prompts == 0


def test_an_endless_command_name_takes_no_time() -> None:
    """A backtracking pattern took minutes for this line; it must be a matter of its length."""
    text = "<command-name>" + " " * 1_000_000

    assert typed_command(transcripts.Line(type="user"), text) is None
