"""Whatever arrives in whatever order: the figures are those of the slow count."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import User
from benchmarks.table_dump import Rows
from telemetry.events import SessionRows
from telemetry.models import (
    UsageEvent,
    UsageResponse,
    UsageSessionDaily,
    UsageSessionHookDaily,
    UsageSessionSummary,
)
from tests.reference.slow_count import Figures, count_person
from tests.reference.strategies import Corpus, corpora, rewritten, shuffled_uploads
from tests.telemetry import fast_count
from tests.telemetry.database_dump import (
    NOW,
    exact_rows,
    figures,
    nothing_kept,
    process,
    upload,
)
from tests.telemetry.profiles import quick, thorough

LATER = NOW + timedelta(days=1)
COUNTS = (
    "active_seconds wall_seconds prompts user_messages assistant_messages tool_calls tool_errors "
    "tool_rejections tool_interruptions skill_invocations subagent_dispatches mcp_calls "
    "slash_commands hook_runs distinct_tools distinct_skills responses input_tokens output_tokens "
    "cache_creation_tokens cache_read_tokens cost_usd started_at ended_at"
)


def assert_like_the_slow_count(files: fast_count.Files) -> None:
    slow = count_person(fast_count.taken(files))
    rows = fast_count.derive_person(files)
    fast = fast_count.plain(rows)
    expected = {name: fast_count.plain_slow(slow, one) for name, one in slow.sessions.items()}
    for nowhere in expected.keys() - fast.keys():
        # A line about a session that no line of this person belongs to.
        assert not slow.sessions[nowhere].user_messages
        del expected[nowhere]
    assert fast == expected
    totals = fast_count.person_totals(rows)
    for name, value in fast_count.slow_totals(slow).items():
        if name != "lines":
            assert totals[name] == value, name


@thorough
@given(corpora())
def test_the_fast_count_equals_the_slow_one(corpus: Corpus) -> None:
    assert_like_the_slow_count(corpus)


@thorough
@given(st.data())
def test_revisions_count_as_the_union_of_their_lines(data: st.DataObject) -> None:
    assert_like_the_slow_count(data.draw(corpora().flatmap(rewritten)))


@thorough
@given(st.data())
def test_the_order_of_revisions_and_files_changes_nothing(data: st.DataObject) -> None:
    revisions = data.draw(corpora().flatmap(rewritten))
    turned = {name: contents[::-1] for name, contents in reversed(revisions.items())}

    one = {rows.session_id: rows for rows in fast_count.derive_person(revisions)}
    other = {rows.session_id: rows for rows in fast_count.derive_person(turned)}

    assert one.keys() == other.keys()
    for session_id, rows in one.items():
        assert in_order(rows) == in_order(other[session_id])


def in_order(rows: SessionRows) -> object:
    return (
        sorted(map(repr, rows.events)),
        sorted(map(repr, rows.responses)),
        rows.hook_runs,
        rows.drift,
        rows.facts,
        rows.lineage,
        rows.keys,
        rows.owned_keys,
    )


@pytest.mark.django_db
@quick
@given(st.data())
def test_uploads_in_any_order_and_pieces_come_to_the_same_rows(data: st.DataObject) -> None:
    corpus = data.draw(corpora())
    slow = count_person(fast_count.taken(corpus))
    expected = rows_at_once(corpus)

    with nothing_kept():
        ada = User.objects.create_user("ada@example.org")
        for name, content in data.draw(shuffled_uploads(corpus)):
            upload(ada, name, content)
            if data.draw(st.booleans()):
                process()
        process()

        assert figures(ada) == expected
        assert_summaries_like(slow)


@pytest.mark.django_db
@quick
@given(st.data())
def test_revisions_in_any_order_come_to_the_same_rows(data: st.DataObject) -> None:
    revisions = data.draw(corpora().flatmap(rewritten))
    uploads = [(name, one) for name, contents in revisions.items() for one in contents]
    seen = []
    for order in (uploads, uploads[::-1], data.draw(st.permutations(uploads))):
        with nothing_kept():
            ada = User.objects.create_user("ada@example.org")
            for name, content in order:
                upload(ada, name, content)
                if order is not uploads:
                    process()
            process()
            seen.append(figures(ada))

    assert seen[1] == seen[0]
    assert seen[2] == seen[0]


@pytest.mark.django_db
@quick
@given(st.data())
def test_another_persons_copy_counts_nothing_and_changes_nothing(data: st.DataObject) -> None:
    corpus = data.draw(corpora())
    with nothing_kept():
        ada = User.objects.create_user("ada@example.org")
        bob = User.objects.create_user("bob@example.org")
        for name, content in corpus.items():
            upload(ada, name, content)
        process()
        before = exact_rows(ada)

        for name, content in data.draw(shuffled_uploads(corpus)):
            upload(bob, name, content, LATER)
            if data.draw(st.booleans()):
                process(LATER)
        process(LATER)

        assert exact_rows(ada) == before
        assert_counts_nothing(bob)


@pytest.mark.django_db
@quick
@given(st.data())
def test_a_copy_that_is_always_one_step_behind_takes_nothing(data: st.DataObject) -> None:
    corpus = data.draw(corpora())
    expected = rows_at_once(corpus)
    with nothing_kept():
        ada = User.objects.create_user("ada@example.org")
        bob = User.objects.create_user("bob@example.org")
        for name, content in data.draw(shuffled_uploads(corpus)):
            for user in (ada, bob):
                upload(user, name, content)
                process()

        assert figures(ada) == expected
        assert_counts_nothing(bob)


def rows_at_once(corpus: Corpus) -> dict[str, Rows]:
    """The rows when every file comes once, whole, and is processed in the end."""
    with nothing_kept():
        ada = User.objects.create_user("ada@example.org")
        for name, content in corpus.items():
            upload(ada, name, content)
        process()
        return figures(ada)


def assert_summaries_like(slow: Figures) -> None:
    for summary in UsageSessionSummary.objects.all():
        session = slow.sessions[summary.session_id]
        assert (
            summary.responses,
            summary.tool_calls,
            summary.tool_errors,
            summary.slash_commands,
            summary.prompts,
            summary.user_messages,
            summary.output_tokens,
            summary.cache_read_tokens,
            summary.started_at,
        ) == (
            len(session.responses),
            len(session.calls),
            session.tool_errors,
            len(session.commands),
            len(session.prompts),
            session.user_messages,
            session.tokens["output"],
            session.tokens["cache_read"],
            session.started_at,
        )
    summarised = set(UsageSessionSummary.objects.values_list("session_id", flat=True))
    for session_id, session in slow.sessions.items():
        assert session_id in summarised or not session.user_messages + len(session.responses)


def assert_counts_nothing(user: User) -> None:
    for model in (UsageEvent, UsageResponse, UsageSessionDaily, UsageSessionHookDaily):
        assert not model._default_manager.filter(user_id=user.pk).exists()
    for summary in UsageSessionSummary.objects.filter(user=user):
        counted = {name: getattr(summary, name) for name in COUNTS.split()}
        assert not any(counted.values()), counted
        theirs = UsageSessionSummary.objects.exclude(user=user).get(session_id=summary.session_id)
        if theirs.user_messages or theirs.responses or theirs.tool_calls:
            assert summary.held_elsewhere > 0
