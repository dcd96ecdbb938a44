"""The `usage` processor's rows: attributed, priced, and nobody's but their owner's."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from accounts.models import User
from benchmarks.transcript_lines import (
    Line,
    answer,
    command,
    encode,
    forked,
    prompt,
    result,
    skill_body,
    text,
    tool_use,
    usage,
)
from telemetry.attribution import explode_plugin
from telemetry.models import (
    IdentityKey,
    UsageEvent,
    UsageResponse,
    UsageSessionDaily,
    UsageSessionSummary,
)
from telemetry.taxonomy import Source
from tests.telemetry.counting import FIRST, MAIN, SECOND, after, thread
from tests.telemetry.database_dump import NOW, exact_rows, process, upload

pytestmark = pytest.mark.django_db

REGISTERED = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada@example.org")


@pytest.fixture
def bob() -> User:
    return User.objects.create_user("bob@example.org")


def register(source: Source, **changes: Any) -> None:
    given: dict[str, Any] = {
        "source": source,
        "ref_id": "till/ledger",
        "marketplace": "till",
        "plugin": "ledger",
        "version": "1.4.0",
        "marketplace_names": ["till-market"],
        "skills": ["ledger:reconcile"],
        "agents": ["ledger:auditor"],
        "commands": ["ledger:close"],
        "mcp_servers": ["plugin_ledger_books"],
        "now": REGISTERED,
    }
    explode_plugin(**{**given, **changes})


def stored(user: User, *lines: Line, name: str = MAIN) -> None:
    assert upload(user, name, encode(lines))
    process()


def call(name: str, given: Line | None = None) -> Line:
    return answer(thread(), tool_use("toolu_1", name, given), at=after(0))


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (call("Skill", {"skill": "ledger:reconcile"}), "skill"),
        (call("Agent", {"subagent_type": "ledger:auditor"}), "agent"),
        (call("mcp__plugin_ledger_books__list_entries"), "mcp"),
        (command(thread(), "ledger:close", at=after(0)), "command"),
        (command(thread(), "ledger:reconcile", at=after(0)), "skill"),
    ],
)
def test_an_item_of_a_curated_plugin_is_invoked(ada: User, line: Line, kind: str) -> None:
    register(Source.CURATED)

    stored(ada, line)

    event = UsageEvent.objects.get()
    assert (event.source, event.ref_id, event.item_kind) == ("curated", "till/ledger", kind)
    assert event.is_invocation
    daily = UsageSessionDaily.objects.get()
    assert (daily.calls, daily.invocations, daily.source) == (1, 1, "curated")


def test_a_skill_of_the_flea_market_is_invoked(ada: User) -> None:
    register(
        Source.FLEA,
        ref_id="17",
        marketplace="flea",
        plugin="letter-by-bob",
        marketplace_names=["flea"],
        skills=["flea:letter-by-bob"],
        agents=[],
        commands=[],
        mcp_servers=[],
    )

    stored(ada, call("Skill", {"skill": "flea:letter-by-bob"}))

    event = UsageEvent.objects.get()
    assert (event.source, event.ref_id, event.is_invocation) == ("flea", "17", True)


def test_one_activation_is_one_invocation_in_the_daily_facts(ada: User) -> None:
    register(Source.CURATED)
    on = thread()
    stored(
        ada,
        command(on, "ledger:reconcile", at=after(0)),
        skill_body(on, "till-market/ledger/1.4.0/skills/reconcile", at=after(0)),
        answer(on, tool_use("t", "Skill", {"skill": "ledger:reconcile"}), at=after(1)),
        result(on, "t", "Launching skill: ledger:reconcile", at=after(2)),
    )

    assert UsageEvent.objects.count() == 2
    assert UsageEvent.objects.filter(is_invocation=True).get().tool_name == "Skill"
    assert {one.evidence for one in UsageEvent.objects.all()} == {"path"}
    assert sum(one.invocations for one in UsageSessionDaily.objects.all()) == 1


@pytest.mark.parametrize(
    "line",
    [
        call("Bash"),
        call("Agent", {"prompt": "x"}),
        command(thread(), "clear", at=after(0)),
    ],
)
def test_what_ships_with_claude_code_is_no_invocation(ada: User, line: Line) -> None:
    stored(ada, line)

    assert UsageEvent.objects.get().source == "builtin"
    assert not UsageEvent.objects.get().is_invocation


def test_an_unknown_name_is_unattributed_and_never_builtin(ada: User) -> None:
    stored(ada, call("Skill", {"skill": "my-own"}))

    event = UsageEvent.objects.get()
    assert (event.source, event.ref_id, event.evidence) == ("unattributed", None, "")
    assert event.is_invocation


def test_an_unknown_models_cost_is_unknown_and_never_nothing(ada: User) -> None:
    on = thread()
    stored(ada, answer(on, text("x"), at=after(0), model="a-model-of-our-own"))

    assert UsageResponse.objects.get().cost_usd is None
    assert UsageSessionSummary.objects.get().cost_usd is None


def test_a_known_models_cost_is_the_sum_over_its_responses(ada: User) -> None:
    on = thread()
    stored(
        ada,
        answer(on, text("x"), at=after(0), numbers=usage(output=1_000)),
        answer(on, text("y"), at=after(1), numbers=usage(output=1_000)),
    )

    costs = [one.cost_usd or 0 for one in UsageResponse.objects.all()]
    assert all(cost > 0 for cost in costs)
    assert UsageSessionSummary.objects.get().cost_usd == pytest.approx(sum(costs))


def test_a_session_without_responses_costs_nothing(ada: User) -> None:
    stored(ada, prompt(thread(), "x", at=after(0)))

    assert UsageSessionSummary.objects.get().cost_usd == 0


def test_what_another_brought_first_stays_theirs(ada: User, bob: User) -> None:
    line = call("Bash")
    stored(ada, line)
    before = exact_rows(ada)

    stored(bob, line, result(thread(), "toolu_1", "no", at=after(9), is_error=True))

    assert exact_rows(ada) == before
    theirs = UsageSessionSummary.objects.get(user=bob)
    # The call's line is held with all that is in it; the result's line is their own.
    assert (theirs.held_elsewhere, theirs.tool_calls, theirs.user_messages) == (1, 0, 1)
    assert UsageEvent.objects.get().outcome == "unknown"


def test_what_another_brought_first_may_be_lines_of_ones_own_session(ada: User, bob: User) -> None:
    mine, theirs = thread(), thread(SECOND)
    shared = prompt(mine, "Hello", at=after(0))
    stored(bob, forked(shared, SECOND), prompt(theirs, "And", at=after(60)), name=f"{SECOND}.jsonl")

    stored(ada, shared, call("Bash"))

    summary = UsageSessionSummary.objects.get(user=ada)
    assert (summary.prompts, summary.tool_calls, summary.held_elsewhere) == (0, 1, 1)


def test_a_session_that_grows_before_it_is_processed_keeps_its_turn(ada: User, bob: User) -> None:
    on = thread()
    first, second = prompt(on, "Hello", at=after(0)), prompt(on, "And", at=after(60))
    moments = [NOW + timedelta(minutes=minute) for minute in range(4)]
    assert upload(ada, MAIN, encode([first]), moments[0])
    assert upload(bob, MAIN, encode([first]), moments[1])
    assert upload(ada, MAIN, encode([first, second]), moments[2])

    process(moments[3])

    assert UsageSessionSummary.objects.get(user=ada).prompts == 2
    assert UsageSessionSummary.objects.get(user=bob).prompts == 0


def test_a_fork_that_is_uploaded_first_gives_back_what_the_original_owns(ada: User) -> None:
    on, other = thread(), thread(SECOND)
    first = [prompt(on, "Hello", at=after(0)), call("Bash")]
    fork = [*(forked(line, SECOND) for line in first), prompt(other, "And", at=after(60))]
    stored(ada, *fork, name=f"{SECOND}.jsonl")
    assert UsageEvent.objects.get().session_id == SECOND

    stored(ada, *first)

    assert UsageEvent.objects.get().session_id == FIRST
    prompts = dict(UsageSessionSummary.objects.values_list("session_id", "prompts"))
    assert prompts == {FIRST: 1, SECOND: 1}


def test_every_identity_is_registered_once(ada: User) -> None:
    line = call("Bash")
    stored(ada, line)
    before = set(IdentityKey.objects.values_list("key", flat=True))

    stored(ada, line, line, name="copy.jsonl")

    assert set(IdentityKey.objects.values_list("key", flat=True)) == before
    assert len(before) == 3
