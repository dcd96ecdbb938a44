"""What lines come to: one behaviour a test."""

from itertools import permutations

import pytest

from benchmarks.transcript_lines import (
    Line,
    Thread,
    answer,
    encode,
    prompt,
    system,
    text,
    tool_use,
)
from benchmarks.transcript_lines import result as result_line
from telemetry.taxonomy import EventKind, ItemKind, Outcome
from tests.telemetry.counting import (
    DAY,
    FIRST,
    MAIN,
    after,
    count,
    count_files,
    event,
    ms,
    thread,
)


def call(
    on: Thread, name: str, given: Line | None = None, *, call_id: str = "toolu_1", at: float = 0
) -> Line:
    return answer(on, tool_use(call_id, name, given), at=after(at))


def test_a_plain_tool_call_is_one_event() -> None:
    on = thread()
    asking = call(on, "Bash", {"command": "ls"})
    done = result_line(on, "toolu_1", "fine", at=after(2))

    found = event(count(asking, done))

    assert (found.event_type, found.tool_name, found.outcome) == ("tool_use", "Bash", "ok")
    assert (found.event_uuid, found.tool_use_id) == (asking["uuid"], "toolu_1")
    assert (found.at, found.model) == (ms(0), asking["message"]["model"])
    assert (found.cwd, found.git_branch) == ("/home/mo/orchard", "main")
    assert not found.stands_for_activation
    assert found.activation_id is None


def test_an_mcp_call_keeps_its_whole_name() -> None:
    found = event(count(call(thread(), "mcp__plugin_ledger_books__list_entries")))

    assert found.event_type is EventKind.MCP_CALL
    assert (found.item_kind, found.name) == (
        ItemKind.MCP,
        "mcp__plugin_ledger_books__list_entries",
    )
    assert found.stands_for_activation


@pytest.mark.parametrize("tool", ["Task", "Agent"])
@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"subagent_type": "ledger:auditor"}, "ledger:auditor"),
        ({"prompt": "Look"}, "general-purpose"),
        ({"subagent_type": None}, "general-purpose"),
        ({"subagent_type": 7}, "general-purpose"),
        ({"subagent_type": ""}, "general-purpose"),
    ],
)
def test_a_dispatch_names_its_agent(tool: str, given: Line, named: str) -> None:
    rows = count(call(thread(), tool, given))

    assert event(rows).event_type is EventKind.SUBAGENT
    assert event(rows).subagent_type == named
    assert rows.facts.subagent_dispatches == rows.facts.tool_calls == 1


def test_loading_a_tool_is_not_using_it() -> None:
    reference = {"type": "tool_reference", "tool_name": "mcp__linear__create"}
    on = thread()
    rows = count(call(on, "ToolSearch"), result_line(on, "toolu_1", [reference], at=after(1)))

    assert [one.tool_name for one in rows.events] == ["ToolSearch"]
    assert rows.facts.mcp_calls == 0


def test_a_server_tool_is_no_call_of_claude_code() -> None:
    block = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}

    assert count(answer(thread(), block, at=after(0))).events == []


def test_a_mixed_session_adds_up() -> None:
    on = thread()
    rows = count(
        prompt(on, "Hello", at=after(0)),
        call(on, "Bash", call_id="a", at=1),
        call(on, "mcp__linear__create", call_id="b", at=2),
        call(on, "Agent", call_id="c", at=3),
        call(on, "Skill", {"skill": "ledger:close"}, call_id="d", at=4),
        result_line(on, "a", "Exit code 1", at=after(5), is_error=True),
    )

    facts = rows.facts
    assert (facts.prompts, facts.tool_calls, facts.tool_errors) == (1, 4, 1)
    assert (facts.mcp_calls, facts.subagent_dispatches, facts.skill_invocations) == (1, 1, 1)
    assert (facts.distinct_tools, facts.distinct_skills) == (4, 1)


def test_an_empty_file_has_no_session() -> None:
    assert count_files({MAIN: b""}) == {}
    assert count_files({MAIN: b"\n \r\n"}) == {}


def test_a_result_that_arrives_later_changes_the_outcome() -> None:
    on = thread()
    asking = call(on, "Bash")
    grown = [asking, result_line(on, "toolu_1", "no", at=after(9), is_error=True)]

    assert event(count(asking)).outcome == Outcome.UNKNOWN
    assert event(count(*grown)).outcome == Outcome.FAILED


def test_a_result_may_come_before_its_call() -> None:
    on = thread()
    asking = call(on, "Bash", at=5)
    done = result_line(on, "toolu_1", "fine", at=after(6))

    assert event(count(done, asking)).outcome == Outcome.OK


def test_of_conflicting_results_the_latest_holds() -> None:
    on = thread()
    asking = call(on, "Bash")
    failed = result_line(on, "toolu_1", "no", at=after(3), is_error=True)
    worked = result_line(on, "toolu_1", "yes", at=after(4))

    assert event(count(asking, failed, worked)).outcome == Outcome.OK
    assert event(count(asking, worked, failed)).outcome == Outcome.OK


def test_a_result_without_its_call_is_no_event() -> None:
    assert count(result_line(thread(), "toolu_lost", "fine", at=after(0))).events == []


def test_a_call_on_several_lines_is_one_event() -> None:
    on = thread()

    assert len(count(call(on, "Bash"), call(on, "Bash", at=3)).events) == 1


def test_compaction_is_no_prompt_and_stays_in_the_session() -> None:
    on = thread()
    rows = count(
        prompt(on, "One", at=after(0)),
        system(on, "compact_boundary", at=after(10)),
        prompt(on, "The story so far", at=after(11), isCompactSummary=True),
        prompt(on, "Two", at=after(12)),
    )

    assert (rows.facts.prompts, rows.facts.user_messages) == (2, 3)
    assert rows.drift == {}


def test_a_missing_time_is_the_previous_lines_else_the_next_ones_else_none() -> None:
    on = thread()
    lost = answer(on, tool_use("a", "Bash"), at=None)
    between = answer(on, tool_use("b", "Bash"), at=None)

    def times(*lines: Line) -> dict[str | None, int | None]:
        return {one.tool_use_id: one.at for one in count(*lines).events}

    assert times(lost, prompt(on, "x", at=after(5))) == {"a": ms(5)}
    assert times(prompt(on, "x", at=after(3)), between, prompt(on, "y", at=after(5))) == {
        "b": ms(3)
    }
    assert times(lost) == {"a": None}


def test_an_event_without_any_time_is_in_the_totals() -> None:
    rows = count(answer(thread(), tool_use("a", "Bash"), at=None))

    assert (rows.facts.tool_calls, rows.facts.started_at, rows.facts.wall_seconds) == (1, None, 0)


def test_first_is_the_smallest_time_not_the_first_line() -> None:
    on = thread()
    rows = count(
        answer(on, text("late"), at=after(9), message_id="m", model="claude-opus-4-6"),
        answer(on, text("early"), at=after(4), message_id="m", model="claude-haiku-4-5"),
    )

    (response,) = rows.responses
    assert (response.at, response.model) == (ms(4), "claude-haiku-4-5")
    assert (rows.facts.started_at, rows.facts.ended_at) == (ms(4), ms(9))


def test_long_pauses_are_not_active_time() -> None:
    on = thread()
    rows = count(*(prompt(on, "x", at=after(at)) for at in (0, 600, 1_201, 1_211)))

    assert (rows.facts.active_seconds, rows.facts.wall_seconds) == (610, 1_211)


def test_only_the_main_files_spoken_lines_are_active_time() -> None:
    on, side = thread(), Thread(FIRST, agent_id="abc")
    main = [prompt(on, "x", at=after(0)), prompt(on, "y", at=after(1_000))]
    beside = [prompt(side, "z", at=after(500))]
    noise = [system(on, "informational", at=after(500))]

    rows = count_files({MAIN: encode(main + noise), f"{FIRST}/agent-abc.jsonl": encode(beside)})

    assert rows[FIRST].facts.active_seconds == 0


def test_a_line_counts_on_its_utc_day() -> None:
    on = thread()
    line = call(on, "Bash")
    line["timestamp"] = "2026-09-15T01:30:00.000+02:00"

    found = event(count(line))

    assert found.at is not None
    assert (found.at // 1000) % 86_400 == 23 * 3_600 + 30 * 60
    unknown = {**line, "type": "new", "uuid": "another"}
    assert count(line, unknown).drift == {(DAY, "record", "new"): 1}


def test_the_title_that_was_written_last_holds_and_a_persons_own_wins() -> None:
    on = thread()
    titles = [
        {"type": "summary", "summary": "Old words", "leafUuid": "x"},
        {"type": "ai-title", "aiTitle": "First", "sessionId": FIRST},
        {"type": "ai-title", "aiTitle": "Second", "sessionId": FIRST},
    ]
    mine = {"type": "custom-title", "customTitle": "Mine", "sessionId": FIRST}

    assert count(prompt(on, "x", at=after(0)), *titles).lineage.title == "Second"
    assert count(mine, prompt(on, "x", at=after(0)), *titles).lineage.title == "Mine"


def test_versions_branches_and_projects_are_the_sessions() -> None:
    on = thread()
    first = prompt(on, "x", at=after(0))
    moved = {**prompt(on, "y", at=after(9)), "version": "2.1.251", "gitBranch": "fix", "cwd": "/b"}

    lineage = count(moved, first).lineage

    assert lineage.versions == ["2.1.250", "2.1.251"]
    assert (lineage.project, lineage.git_branch) == ("/home/mo/orchard", "fix")


def test_every_line_tells_where_it_ran_not_only_the_first_of_several() -> None:
    on = thread()
    early, late = prompt(on, "x", at=after(0)), prompt(on, "y", at=after(9))
    other = {"version": "2.1.251", "gitBranch": "fix", "cwd": "/b"}
    between = {**prompt(on, "z", at=after(5)), **other}

    lineages = [count(*order).lineage for order in permutations([early, late, between])]

    assert {(one.project, one.git_branch, *one.versions) for one in lineages} == {
        ("/home/mo/orchard", "main", "2.1.250", "2.1.251")
    }
