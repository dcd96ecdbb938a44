"""Lines that several sessions or people hold count once, with the one that has them first."""

from collections.abc import Callable

import pytest

from benchmarks.transcript_lines import (
    Line,
    Thread,
    answer,
    encode,
    forked,
    prompt,
    resumed,
    tool_use,
)
from benchmarks.transcript_lines import result as result_line
from telemetry.identity import identity_key
from telemetry.taxonomy import Outcome
from tests.telemetry.counting import (
    FIRST,
    MAIN,
    SECOND,
    THIRD,
    after,
    count_files,
    event,
    ms,
    thread,
)
from tests.telemetry.fast_count import derive_person


def call(
    on: Thread, name: str, given: Line | None = None, *, call_id: str = "toolu_1", at: float = 0
) -> Line:
    return answer(on, tool_use(call_id, name, given), at=after(at))


@pytest.mark.parametrize("carry", [forked, resumed])
def test_copied_lines_stay_with_the_session_they_come_from(
    carry: Callable[[Line, str], Line],
) -> None:
    on, other = thread(), thread(SECOND)
    first = [prompt(on, "One", at=after(0)), call(on, "Bash", at=1)]
    copies = [carry(line, SECOND) for line in first]
    own = [prompt(other, "Two", at=after(60)), call(other, "Read", call_id="toolu_2", at=61)]

    sessions = count_files({f"{SECOND}.jsonl": encode([*copies, *own]), MAIN: encode(first)})

    assert [one.tool_name for one in sessions[FIRST].events] == ["Bash"]
    assert [one.tool_name for one in sessions[SECOND].events] == ["Read"]
    assert (sessions[FIRST].facts.prompts, sessions[SECOND].facts.prompts) == (1, 1)
    assert sessions[SECOND].facts.started_at == ms(60)
    lineage = sessions[SECOND].lineage
    told = (lineage.forked_from, lineage.resumed_from)
    assert told == ((FIRST, "") if carry is forked else ("", FIRST))


def test_of_two_sessions_that_begin_at_once_the_one_that_is_no_fork_owns() -> None:
    line = call(thread(THIRD), "Bash")

    sessions = count_files(
        {f"{FIRST}.jsonl": encode([forked(line, FIRST)]), f"{THIRD}.jsonl": encode([line])}
    )

    assert {name: len(rows.events) for name, rows in sessions.items()} == {FIRST: 0, THIRD: 1}


def test_of_two_equal_copies_the_session_id_decides() -> None:
    line = call(thread(THIRD), "Bash")

    sessions = count_files(
        {f"{THIRD}.jsonl": encode([line]), f"{SECOND}.jsonl": encode([resumed(line, SECOND)])}
    )

    assert {name: len(rows.events) for name, rows in sessions.items()} == {SECOND: 1, THIRD: 0}


def test_a_result_in_the_fork_alone_tells_how_the_call_ended() -> None:
    on = thread()
    asking = call(on, "Bash")
    done = result_line(on, "toolu_1", "no", at=after(9), is_error=True)

    sessions = count_files(
        {
            MAIN: encode([asking]),
            f"{SECOND}.jsonl": encode([forked(one, SECOND) for one in (asking, done)]),
        }
    )

    assert event(sessions[FIRST]).outcome == Outcome.FAILED


def test_a_line_may_belong_to_another_session_than_its_file_is_named_after() -> None:
    sessions = count_files({MAIN: encode([prompt(thread(SECOND), "Hello", at=after(0))])})

    assert sessions.keys() == {SECOND}
    assert sessions[SECOND].facts.prompts == 1


def test_what_another_person_holds_counts_nothing_not_even_as_drift() -> None:
    line = {**call(thread(), "Bash"), "unheard": 1}
    files = {MAIN: encode([line])}

    (rows,) = derive_person(files, frozenset({identity_key("line", line["uuid"])}))

    assert (rows.events, rows.responses, rows.drift) == ([], [], {})
    assert len(rows.held_keys) == 1
