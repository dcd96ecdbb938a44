"""Token usage: one response, one count, over all the lines that tell of it."""

from benchmarks.transcript_lines import (
    Line,
    Thread,
    agent_progress,
    answer,
    api_error,
    encode,
    prompt,
    text,
    tool_use,
    usage,
)
from benchmarks.transcript_lines import result as result_line
from tests.telemetry.counting import (
    FIRST,
    MAIN,
    after,
    count,
    count_files,
    ms,
    thread,
)


def call(
    on: Thread, name: str, given: Line | None = None, *, call_id: str = "toolu_1", at: float = 0
) -> Line:
    return answer(on, tool_use(call_id, name, given), at=after(at))


def test_a_response_counts_the_largest_of_each_number_once() -> None:
    on = thread()
    early = answer(
        on, text("a"), at=after(0), message_id="m", numbers=usage(read=9, written=4, output=2)
    )
    late = answer(
        on,
        text("b"),
        at=after(1),
        message_id="m",
        numbers=usage(read=9, written=4, output=40),
        stop_reason="end_turn",
    )

    for lines in ((early, late), (late, early), (early, late, early)):
        (response,) = count(*lines).responses
        assert response.tokens == (3, 40, 4, 4, 0, 9)
        assert response.final
        assert response.at == ms(0)


def test_a_response_that_never_ends_is_a_lower_bound() -> None:
    on = thread()
    rows = count(
        answer(on, text("a"), at=after(0)),
        answer(on, text("b"), at=after(1), stop_reason="end_turn"),
    )

    assert rows.facts.usage_final_share == 0.5


def test_iterations_and_tool_results_usage_are_never_added() -> None:
    on = thread()
    numbers = {**usage(output=7), "iterations": [usage(output=7), usage(output=9)]}
    rows = count(
        answer(on, tool_use("toolu_1", "Agent"), at=after(0), numbers=numbers),
        result_line(on, "toolu_1", "x", at=after(1), structured={"usage": usage(output=900)}),
    )

    assert (rows.facts.output_tokens, rows.facts.responses) == (7, 1)


def test_errors_of_the_api_count_nothing() -> None:
    on = thread()
    synthetic = answer(on, text("x"), at=after(1), model="<synthetic>", numbers=usage(output=5))
    flagged = answer(on, text("x"), at=after(2), isApiErrorMessage=True)

    rows = count(api_error(on, "API Error: 429", at=after(0)), synthetic, flagged)

    assert rows.responses == []
    assert rows.facts.assistant_messages == rows.facts.output_tokens == 0
    assert rows.facts.primary_model is None


def test_a_response_without_an_id_is_known_by_its_line() -> None:
    line = answer(thread(), text("x"), at=after(0))
    del line["message"]["id"]

    assert [row.message_id for row in count(line, line).responses] == [line["uuid"]]


def test_lines_with_empty_ids_are_not_one_line() -> None:
    on = thread()
    lines = [prompt(on, words, at=after(0)) for words in ("One", "Two")]

    rows = count(*({**line, "uuid": ""} for line in lines))

    assert rows.facts.prompts == rows.facts.user_messages == 2


def test_a_side_question_replays_its_answer_without_counting_it_again() -> None:
    on = thread()
    plain = answer(on, text("a"), at=after(5), message_id="m", model="claude-opus-4-6")
    replayed = answer(
        on, text("a"), at=after(5), message_id="m", model="claude-haiku-4-5", isSidechain=True
    )

    for lines in ((plain, replayed), (replayed, plain)):
        (response,) = count(*lines).responses
        assert (response.model, response.is_sidechain) == ("claude-opus-4-6", False)


def test_progress_copies_stand_in_for_a_missing_file_and_add_nothing_to_a_present_one() -> None:
    on, side = thread(), Thread(FIRST, agent_id="abc")
    spoken = [
        answer(side, tool_use("toolu_in", "Grep"), at=after(2), numbers=usage(output=30)),
        result_line(side, "toolu_in", "Exit code 2", at=after(3), is_error=True),
    ]
    sent = call(on, "Task", call_id="toolu_out")
    copies = [agent_progress(on, "toolu_out", line, at=after(4)) for line in spoken]

    alone = count(sent, *copies)
    both = count_files({MAIN: encode([sent, *copies]), f"{FIRST}/agent-abc.jsonl": encode(spoken)})

    assert alone.facts.tool_calls == both[FIRST].facts.tool_calls == 2
    assert alone.facts.output_tokens == both[FIRST].facts.output_tokens == 31
    assert alone.facts.tool_errors == both[FIRST].facts.tool_errors == 1
    (inner,) = [one for one in both[FIRST].events if one.tool_use_id == "toolu_in"]
    assert (inner.agent_id, inner.cwd) == ("abc", "/home/mo/orchard")
    assert alone.facts.user_messages == both[FIRST].facts.user_messages
    assert alone.facts.active_seconds == 0


def test_a_copy_in_a_progress_line_without_uuid_counts_too() -> None:
    on, side = thread(), Thread(FIRST, agent_id="abc")
    copy = agent_progress(on, "t", call(side, "Grep"), at=after(1))
    del copy["uuid"]

    assert [one.tool_name for one in count(call(on, "Task", call_id="t"), copy).events] == [
        "Task",
        "Grep",
    ]
