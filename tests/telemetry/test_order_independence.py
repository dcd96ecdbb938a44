"""Whatever arrives in whatever order: the figures are those of the slow count."""

from hypothesis import given
from hypothesis import strategies as st

from telemetry.events import SessionRows
from tests.reference.slow_count import count_person
from tests.reference.strategies import Corpus, corpora, rewritten
from tests.telemetry import fast_count
from tests.telemetry.profiles import thorough

EMPTY = fast_count.plain([])


def assert_like_the_slow_count(files: fast_count.Files) -> None:
    slow = count_person(files)
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
