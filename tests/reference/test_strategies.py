"""The made-up corpora hold what they promise, and every order of arrival ends in the same files."""

from collections import Counter

from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

from tests.reference.slow_count import count_person
from tests.reference.strategies import Corpus, corpora, rewritten, shuffled_uploads

quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@quick
@given(st.data())
def test_uploads_end_in_the_corpus_they_came_from(data: st.DataObject) -> None:
    corpus = data.draw(corpora())
    revisions: dict[str, list[bytes]] = {}

    for name, content in data.draw(shuffled_uploads(corpus)):
        revisions.setdefault(name, []).append(content)

    assert count_person(revisions) == count_person(corpus)


@quick
@given(st.data())
def test_the_order_of_files_and_revisions_changes_nothing(data: st.DataObject) -> None:
    revisions = data.draw(corpora().flatmap(rewritten))

    turned = {name: contents[::-1] for name, contents in reversed(revisions.items())}

    assert count_person(turned) == count_person(revisions)


@quick
@given(corpora())
def test_what_sessions_own_adds_up_to_the_person(corpus: Corpus) -> None:
    figures = count_person(corpus)
    sessions = figures.sessions.values()

    assert sorted(one for session in sessions for one in session.responses) == sorted(
        figures.responses
    )
    assert sorted(one for session in sessions for one in session.calls) == sorted(figures.outcomes)
    assert sum((session.tokens for session in sessions), Counter()) == +figures.tokens
    assert sum(session.active_seconds for session in sessions) >= 0


def test_every_trap_turns_up() -> None:
    traps = {
        "a fork that owns nothing": lambda one: any(
            not session.user_messages and not session.responses for session in one.sessions.values()
        ),
        "a damaged line": lambda one: one.bad_lines > 0,
        "a mended line": lambda one: one.mended_lines > 0,
        "a rejected call": lambda one: "rejected" in one.outcomes.values(),
        "an interrupted call": lambda one: "interrupted" in one.outcomes.values(),
        "a call without a result": lambda one: "unknown" in one.outcomes.values(),
        "a subagent": lambda one: one.subagents > 0,
        "a skill call": lambda one: one.skill_calls > 0,
        "an MCP call": lambda one: one.mcp_calls > 0,
        "a command": lambda one: one.commands.total() > 0,
        "an answer that is not final": lambda one: one.responses > one.final_responses,
    }

    looking = settings(max_examples=500, deadline=None, phases=[Phase.generate], derandomize=True)
    for trap in traps.values():
        assert find(corpora().map(count_person), trap, settings=looking)
