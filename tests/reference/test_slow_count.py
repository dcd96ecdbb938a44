"""The slow count's own cases, each small enough to be counted by eye."""

from datetime import UTC, datetime, timedelta

from benchmarks.transcript_lines import (
    HUMAN,
    Thread,
    agent_progress,
    answer,
    api_error,
    command,
    encode,
    forked,
    interruption,
    meta,
    prompt,
    rejection,
    result,
    text,
    tool_use,
    usage,
)
from tests.reference.slow_count import count_person

FIRST = "11111111-1111-4111-8111-111111111111"
SECOND = "22222222-2222-4222-8222-222222222222"
START = datetime(2026, 9, 14, 8, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def test_a_response_counts_the_largest_number_of_each_kind_once() -> None:
    thread = Thread(FIRST)
    early = answer(thread, text("a"), at=START, message_id="m", numbers=usage(read=9, output=2))
    late = answer(
        thread,
        text("b"),
        at=after(1),
        message_id="m",
        numbers=usage(read=9, output=40),
        stop_reason="end_turn",
    )

    figures = count_person({f"{FIRST}.jsonl": encode([early, late])})

    assert figures.responses == figures.final_responses == {"m"}
    assert figures.tokens == {"input": 3, "output": 40, "cache_creation": 0, "cache_read": 9}


def test_errors_of_the_api_and_answers_without_usage_count_nothing() -> None:
    thread = Thread(FIRST)
    bare = answer(thread, text("a"), at=START)
    del bare["message"]["usage"]

    figures = count_person(
        {f"{FIRST}.jsonl": encode([api_error(thread, "API Error", at=START), bare])}
    )

    assert figures.responses == set()


def test_each_way_a_call_can_end_is_told_apart() -> None:
    thread = Thread(FIRST)
    calls = ("fine", "broken", "refused", "stopped", "open")
    asked = [answer(thread, tool_use(call, "Bash"), at=START) for call in calls]
    ended = [
        result(thread, "fine", "done", at=after(1)),
        result(thread, "broken", "Exit code 1", at=after(1), is_error=True),
        rejection(thread, "refused", at=after(1)),
        interruption(thread, "stopped", at=after(1)),
    ]

    figures = count_person({f"{FIRST}.jsonl": encode([*asked, *ended])})

    outcomes = ("ok", "failed", "rejected", "interrupted", "unknown")
    assert figures.outcomes == dict(zip(calls, outcomes, strict=True))
    assert figures.sessions[FIRST].tool_errors == 1


def test_of_conflicting_results_the_latest_holds() -> None:
    thread = Thread(FIRST)
    asked = answer(thread, tool_use("call", "Bash"), at=START)
    late = result(thread, "call", "fine after all", at=after(9))
    early = result(thread, "call", "Exit code 1", at=after(1), is_error=True)

    figures = count_person({f"{FIRST}.jsonl": encode([asked, late, early])})

    assert figures.outcomes == {"call": "ok"}


def test_a_fork_owns_only_what_it_adds() -> None:
    thread = Thread(FIRST)
    shared = [
        prompt(thread, "Hello", at=START, **HUMAN),
        answer(thread, tool_use("call", "Bash"), at=after(2)),
    ]
    branch = Thread(SECOND, parent=thread.parent)
    added = prompt(branch, "Otherwise", at=after(60), **HUMAN)
    copies = [forked(line, SECOND) for line in shared]

    figures = count_person(
        {
            f"{SECOND}.jsonl": encode([*copies, added]),
            f"{FIRST}.jsonl": encode(shared),
        }
    )

    assert figures.sessions[FIRST].calls == {"call"}
    assert figures.sessions[FIRST].active_seconds == 2
    assert figures.sessions[SECOND].calls == set()
    assert figures.sessions[SECOND].prompts == {added["uuid"]}
    assert figures.sessions[SECOND].wall_seconds == 0


def test_a_subagents_line_counts_once_with_its_copy_in_a_progress_line() -> None:
    main, agent = Thread(FIRST), Thread(FIRST, agent_id="a1")
    spoken = answer(agent, tool_use("inner", "Read"), at=after(1), message_id="m")
    files = {
        f"{FIRST}.jsonl": encode([agent_progress(main, "outer", spoken, at=after(1))]),
        f"{FIRST}/agent-a1.jsonl": encode([spoken]),
    }

    together = count_person(files)
    alone = count_person({name: files[name] for name in files if "/" not in name})

    assert together.responses == alone.responses == {"m"}
    assert together.tools == alone.tools == {"Read": 1}
    assert together.lines == 2


def test_commands_and_machine_made_lines_are_no_prompts() -> None:
    thread = Thread(FIRST)
    written = [
        prompt(thread, "A real one", at=START),
        command(thread, "harbour:moor", at=START, args="now"),
        meta(thread, "Base directory", at=START),
        prompt(thread, "<local-command-stdout>x</local-command-stdout>", at=START),
        prompt(thread, "A summary", at=START, isCompactSummary=True),
        prompt(thread, "A notice", at=START, origin={"kind": "task-notification"}),
        result(thread, "call", "done", at=START),
    ]

    figures = count_person({f"{FIRST}.jsonl": encode(written)})

    assert figures.prompts == {written[0]["uuid"]}
    assert figures.commands == {"harbour:moor": 1}
    assert figures.sessions[FIRST].user_messages == 7


def test_long_pauses_are_not_active_time() -> None:
    thread = Thread(FIRST)
    times = (0, 600, 1_201, 1_211)
    written = [prompt(thread, "Hello", at=after(seconds)) for seconds in times]

    figures = count_person({f"{FIRST}.jsonl": encode(written)})

    assert figures.sessions[FIRST].active_seconds == 610
    assert figures.sessions[FIRST].wall_seconds == 1_211


def test_damaged_lines_are_counted_and_mended_ones_are_kept() -> None:
    thread = Thread(FIRST)
    whole = encode([prompt(thread, "LONE", at=START)])
    mended = whole.replace(b"LONE", rb"\ud83d")
    bad = [b"null", b'{"a":1}{"b":2}', b'{"type":"us', b"\xff", b'"text"', b"", b"  "]

    figures = count_person({f"{FIRST}.jsonl": encode(bad) + mended})

    assert (figures.lines, figures.bad_lines, figures.mended_lines) == (6, 5, 1)
    assert len(figures.prompts) == 1


def test_the_beginning_of_a_longer_revision_brings_nothing() -> None:
    thread = Thread(FIRST)
    written = encode([prompt(thread, "One", at=START), prompt(thread, "Two", at=after(5))])

    grown = count_person({f"{FIRST}.jsonl": [written[: len(written) // 3], written, written]})

    assert grown == count_person({f"{FIRST}.jsonl": written})


def test_a_rewritten_file_still_counts_its_former_lines() -> None:
    thread = Thread(FIRST)
    first, second = prompt(thread, "One", at=START), prompt(thread, "Two", at=after(5))

    figures = count_person({f"{FIRST}.jsonl": [encode([first]), encode([second])]})

    assert figures.prompts == {first["uuid"], second["uuid"]}


def test_a_file_without_any_session_id_counts_nothing() -> None:
    figures = count_person({"lonely.jsonl": encode([{"type": "summary", "summary": "x"}])})

    assert (figures.files, figures.lines, figures.sessions) == (0, 0, {})
