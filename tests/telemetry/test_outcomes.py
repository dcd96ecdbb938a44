"""How tool calls end: ok, failed, rejected, interrupted, unknown."""

from typing import Any

import pytest

from benchmarks.transcript_lines import (
    Line,
    answer,
    interruption,
    rejection,
    result,
    text,
    tool_use,
)
from tests.telemetry.counting import after, count, event, thread

NO = "The user doesn't want to proceed with this tool use."


def ended(content: Any = "x", **fields: Any) -> str:
    on = thread()
    asking = answer(on, tool_use("toolu_1", "Bash"), at=after(0))
    return event(count(asking, result(on, "toolu_1", content, at=after(1), **fields))).outcome


@pytest.mark.parametrize(
    ("outcome", "content", "fields"),
    [
        ("ok", "fine", {}),
        ("ok", "Exit code 1 is what I would say", {}),
        ("ok", "fine", {"structured": {"interrupted": False}}),
        ("ok", "fine", {"structured": "a text about being interrupted"}),
        ("ok", NO, {}),
        ("failed", "Exit code 1", {"is_error": True}),
        ("failed", "<tool_use_error>No such file</tool_use_error>", {"is_error": True}),
        ("failed", [text("Exit code 2")], {"is_error": True}),
        ("failed", "Unknown skill: x", {"is_error": True, "structured": "Error: Unknown skill"}),
        ("failed", NO, {"is_error": True, "toolDenialKind": "permission-rule"}),
        ("failed", "no", {"is_error": True, "toolDenialKind": "automode-blocked"}),
        ("rejected", NO, {"is_error": True}),
        ("rejected", [text(NO)], {"is_error": True}),
        ("rejected", "x", {"is_error": True, "structured": "User rejected tool use"}),
        ("rejected", "x", {"is_error": True, "toolDenialKind": "user-rejected"}),
        ("interrupted", "x", {"is_error": True, "toolDenialKind": "interrupted"}),
        ("interrupted", "[Request interrupted by user for tool use]", {"is_error": True}),
        ("interrupted", "half", {"structured": {"interrupted": True}}),
        ("interrupted", "x", {"is_error": True, "structured": {"interrupted": True}}),
    ],
)
def test_a_result_tells_the_outcome(outcome: str, content: Any, fields: Line) -> None:
    assert ended(content, **fields) == outcome


def test_a_call_without_a_result_is_unknown_and_no_success() -> None:
    asking = answer(thread(), tool_use("toolu_1", "Bash"), at=after(0))
    rows = count(asking)

    assert event(rows).outcome == "unknown"
    assert rows.facts.tool_errors == 0


def test_a_persons_no_is_no_error() -> None:
    on = thread()
    lines = [answer(on, tool_use(f"t{number}", "Edit"), at=after(0)) for number in range(3)]
    lines += [rejection(on, "t0", at=after(1)), interruption(on, "t1", at=after(1))]
    lines += [result(on, "t2", "Exit code 1", at=after(1), is_error=True)]

    facts = count(*lines).facts

    assert (facts.tool_errors, facts.tool_rejections, facts.tool_interruptions) == (1, 1, 1)


@pytest.mark.parametrize("content", [None, 7, {}, [7], [{"type": "text"}], [{"text": 5}]])
def test_an_error_of_any_content_is_an_error(content: Any) -> None:
    assert ended(content, is_error=True) == "failed"


def test_of_results_of_one_instant_the_most_telling_holds() -> None:
    on = thread()
    asking = answer(on, tool_use("toolu_1", "Bash"), at=after(0))
    worked = result(on, "toolu_1", "fine", at=after(1))
    failed = result(on, "toolu_1", "Exit code 1", at=after(1), is_error=True)

    assert event(count(asking, worked, failed)).outcome == "failed"
    assert event(count(asking, failed, worked)).outcome == "failed"
