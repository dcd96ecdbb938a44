"""Stored events follow the catalogue; no transcript is stored in any of these tests."""

from datetime import UTC, date, datetime, timedelta
from itertools import count
from random import Random
from typing import Any

import pytest

from accounts.models import User
from telemetry.attribution import explode_plugin, retire_plugin
from telemetry.builtin_names import BUILTIN_VERSION
from telemetry.event_names import subject_of
from telemetry.leases import LeaseTaken, take
from telemetry.models import (
    Heartbeat,
    PendingChange,
    Session,
    UsageEvent,
    UsageSessionDaily,
    Watermark,
)
from telemetry.reattribution import reattribute, reattribute_due
from telemetry.resolver import Resolver
from telemetry.taxonomy import Source

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 9, 14, 12, tzinfo=UTC)
TODAY = date(2026, 9, 14)
DAY = timedelta(days=1)
ids = count(1)


@pytest.fixture
def session() -> Session:
    user = User.objects.create_user("mira@till.example")
    return make_session(user, "one")


def make_session(user: User, session_id: str) -> Session:
    return Session.objects.create(
        user=user,
        session_id=session_id,
        session_file=f"{session_id}.jsonl",
        content_hash="",
        created_at=NOON,
        uploaded_at=NOON,
    )


def add(session: Session, event_type: str, at: datetime | None = NOON, **names: Any) -> UsageEvent:
    """A stored event as its processor leaves it: unattributed unless told otherwise."""
    number = next(ids)
    kinds = {"tool_use": "tool", "mcp_call": "mcp", "subagent": "agent", "slash_command": "command"}
    kind = "skill" if names.get("skill_name") else kinds[event_type]
    values: dict[str, Any] = {
        "source": "unattributed",
        "item_kind": kind,
        "outcome": "ok",
        "activation_id": None if kind == "tool" else number,
        "is_invocation": kind != "tool",
    }
    return UsageEvent.objects.create(
        id=number,
        session_row=session,
        session_id=session.session_id,
        session_file=session.session_file,
        user_id=session.user_id,
        username=session.user.username,
        event_uuid=f"line-{number}",
        event_type=event_type,
        occurred_at=at,
        is_error=False,
        processor_version=1,
        extracted_at=NOON,
        **{**values, **names},
    )


def add_skill(session: Session, name: str = "ledger:reconcile", **more: Any) -> UsageEvent:
    return add(session, "tool_use", tool_name="Skill", skill_name=name, **more)


def register(ref_id: str = "till/ledger", now: datetime = NOON - DAY, **more: Any) -> None:
    marketplace, _, plugin = ref_id.partition("/")
    given: dict[str, Any] = {
        "marketplace_names": [f"{marketplace}-market"],
        "skills": ["ledger:reconcile"],
        "agents": ["ledger:auditor"],
        "commands": ["ledger:close"],
        "mcp_servers": ["plugin_ledger_books"],
    }
    explode_plugin(
        source=Source.CURATED,
        ref_id=ref_id,
        marketplace=marketplace,
        plugin=plugin,
        version="1.0",
        now=now,
        **{**given, **more},
    )


def attribution_of(event: UsageEvent) -> tuple[str, str | None, str, str]:
    event.refresh_from_db()
    return event.source, event.ref_id, event.item_kind, event.evidence


def contributions(*columns: str) -> list[tuple[Any, ...]]:
    return sorted(UsageSessionDaily.objects.values_list(*columns), key=str)


def pending(consumer: str, kind: str) -> list[str]:
    rows = PendingChange.objects.filter(consumer=consumer, kind=kind)
    return sorted(rows.values_list("key", flat=True))


def test_events_of_every_kind_follow_a_registration(session: Session) -> None:
    events = [
        add_skill(session),
        add(session, "subagent", tool_name="Agent", subagent_type="ledger:auditor"),
        add(session, "slash_command", command_name="ledger:close"),
        add(session, "mcp_call", tool_name="mcp__plugin_ledger_books__list"),
    ]
    register()
    reattribute(now=NOON)
    assert [attribution_of(event) for event in events] == [
        ("curated", "till/ledger", kind, "qualified")
        for kind in ("skill", "agent", "command", "mcp")
    ]


def test_a_typed_skill_stays_a_skill_when_nothing_lists_it(session: Session) -> None:
    mine = add(session, "slash_command", command_name="deploy", skill_name="deploy")
    theirs = add(session, "slash_command", command_name="ledger:close", item_kind="skill")
    register()
    reattribute(now=NOON)
    assert attribution_of(mine) == ("unattributed", None, "skill", "")
    # Its body was not seen, and the catalogue says that it is a command.
    assert attribution_of(theirs) == ("curated", "till/ledger", "command", "qualified")


def test_every_column_of_the_attribution_is_written(session: Session) -> None:
    event = add_skill(session, path_evidence="till-market/ledger/1.4/reconcile")
    register()
    reattribute(now=NOON)
    assert attribution_of(event) == ("curated", "till/ledger", "skill", "path")
    assert (event.marketplace, event.plugin, event.item_version) == ("till", "ledger", "1.4")


def test_other_events_are_untouched(session: Session) -> None:
    bash = add(session, "tool_use", tool_name="Bash", source="builtin", evidence="builtin")
    mine = add_skill(session, "my-notes")
    register()
    report = reattribute(now=NOON)
    assert report.events == 0
    assert attribution_of(bash) == ("builtin", None, "tool", "builtin")
    assert attribution_of(mine) == ("unattributed", None, "skill", "")


def test_an_ambiguous_event_keeps_its_candidates_and_loses_its_item(session: Session) -> None:
    event = add_skill(session)
    register()
    reattribute(now=NOON)
    register("twin/ledger")
    reattribute(now=NOON)
    assert attribution_of(event) == ("unattributed", None, "skill", "ambiguous")
    assert event.candidates == ["till/ledger", "twin/ledger"]


def test_an_ambiguous_event_becomes_sure_again(session: Session) -> None:
    event = add_skill(session)
    register()
    register("twin/ledger")
    reattribute(now=NOON)
    retire_plugin(source=Source.CURATED, ref_id="twin/ledger", now=NOON - DAY / 2)
    reattribute(now=NOON)
    assert attribution_of(event) == ("curated", "till/ledger", "skill", "qualified")
    assert event.candidates is None


def test_events_go_to_the_holder_of_their_time(session: Session) -> None:
    old = add_skill(session, at=NOON - 5 * DAY)
    new = add_skill(session, at=NOON)
    undated = add_skill(session, at=None)
    register(now=NOON - 9 * DAY)
    retire_plugin(source=Source.CURATED, ref_id="till/ledger", now=NOON - 2 * DAY)
    register("other/ledger", now=NOON - DAY)
    reattribute(now=NOON)
    assert [attribution_of(event)[1] for event in (old, new, undated)] == [
        "till/ledger",
        "other/ledger",
        "other/ledger",
    ]


def test_doing_it_again_changes_nothing(session: Session) -> None:
    add_skill(session, at=NOON - 5 * DAY)
    add_skill(session)
    register(now=NOON - 9 * DAY)
    retire_plugin(source=Source.CURATED, ref_id="till/ledger", now=NOON - 2 * DAY)
    register("other/ledger", now=NOON - DAY)
    assert reattribute(now=NOON).events == 2
    PendingChange.objects.all().delete()
    assert reattribute(now=NOON) == (0, 0, 0, 0, False)
    assert not PendingChange.objects.exists()


def test_contributions_are_summed_anew_from_the_stored_events(session: Session) -> None:
    add_skill(session)
    add_skill(session, outcome="failed")
    add(session, "tool_use", tool_name="Bash", source="builtin", evidence="builtin")
    UsageSessionDaily.objects.create(
        session_row=session, user_id=session.user_id, day=TODAY, event_type="tool_use",
        tool_name="Skill", source="unattributed", item_kind="skill", name="ledger:reconcile",
        calls=2, invocations=2, errors=1, rejected=0, interrupted=0,
    )  # fmt: skip
    register()
    reattribute(now=NOON)
    assert contributions("tool_name", "source", "ref_id", "calls", "invocations", "errors") == [
        ("Bash", "builtin", None, 1, 0, 0),
        ("Skill", "curated", "till/ledger", 2, 2, 1),
    ]


def test_mcp_calls_are_summed_up_by_tool_under_their_servers_name(session: Session) -> None:
    for tool in ("list", "list", "post"):
        add(session, "mcp_call", tool_name=f"mcp__plugin_ledger_books__{tool}")
    register()
    reattribute(now=NOON)
    assert contributions("tool_name", "name", "calls") == [
        ("mcp__plugin_ledger_books__list", "plugin_ledger_books", 2),
        ("mcp__plugin_ledger_books__post", "plugin_ledger_books", 1),
    ]


def test_only_touched_days_of_touched_sessions_are_queued(session: Session) -> None:
    add_skill(session, at=NOON - 3 * DAY)
    add_skill(session, at=None)
    other = make_session(session.user, "two")
    add(
        other, "tool_use", at=NOON - 2 * DAY, tool_name="Bash", source="builtin", evidence="builtin"
    )
    register()
    report = reattribute(now=NOON)
    assert report == (2, 1, 1, 0, False)
    assert pending("rollups", "day") == ["2026-09-11"]
    assert pending("mirror", "session") == [str(session.pk)]


def test_days_are_utc_days(session: Session) -> None:
    add_skill(session, at=datetime(2026, 9, 14, 0, 0, 0, 1, tzinfo=UTC))
    add_skill(session, at=datetime(2026, 9, 13, 23, 59, 59, 999999, tzinfo=UTC))
    register()
    reattribute(now=NOON)
    assert contributions("day", "calls") == [(TODAY - DAY, 1), (TODAY, 1)]


def test_pruned_days_are_left_alone(session: Session) -> None:
    pruned = add_skill(session, at=NOON - 3 * DAY)  # what pruning has not come to yet
    kept = add_skill(session, at=NOON)
    UsageSessionDaily.objects.create(
        session_row=session, user_id=session.user_id, day=TODAY - 3 * DAY, event_type="tool_use",
        tool_name="Skill", source="unattributed", item_kind="skill", name="ledger:reconcile",
        calls=40, invocations=40, errors=0, rejected=0, interrupted=0,
    )  # fmt: skip
    Watermark.objects.create(name="events_pruned_before", day=TODAY - DAY, updated_at=NOON)
    register()
    reattribute(now=NOON)
    assert attribution_of(pruned)[0] == "unattributed"
    assert attribution_of(kept)[0] == "curated"
    assert contributions("day", "source", "calls") == [
        (TODAY - 3 * DAY, "unattributed", 40),
        (TODAY, "curated", 1),
    ]
    assert pending("rollups", "day") == [TODAY.isoformat()]


def test_an_activation_keeps_its_one_invocation(session: Session) -> None:
    call = add_skill(session)
    line = add(
        session, "slash_command", command_name="ledger:reconcile",
        activation_id=call.pk, is_invocation=False,
    )  # fmt: skip
    register()
    reattribute(now=NOON)
    call.refresh_from_db()
    line.refresh_from_db()
    assert (call.is_invocation, line.is_invocation) == (True, False)


def test_a_name_that_turns_out_builtin_is_no_invocation_any_more(session: Session) -> None:
    event = add(session, "slash_command", command_name="clear")
    reattribute(now=NOON)
    event.refresh_from_db()
    assert (event.source, event.is_invocation) == ("builtin", False)


def test_a_name_that_is_not_builtin_after_all_becomes_an_invocation(session: Session) -> None:
    event = add(
        session, "slash_command", command_name="ledger:close", source="builtin",
        evidence="builtin", is_invocation=False,
    )  # fmt: skip
    register()
    reattribute(now=NOON)
    event.refresh_from_db()
    assert (event.source, event.is_invocation) == ("curated", True)
    assert contributions("invocations") == [(1,)]


def test_small_batches_give_the_same(session: Session) -> None:
    sessions = [session, *(make_session(session.user, f"more-{n}") for n in range(4))]
    events = [add_skill(each) for each in sessions]
    register()
    assert reattribute(now=NOON, batch=2) == (5, 5, 1, 0, False)
    assert {attribution_of(event)[1] for event in events} == {"till/ledger"}


def test_nothing_due_does_nothing(session: Session) -> None:
    details = {"builtin": BUILTIN_VERSION}
    Heartbeat.objects.create(name="attribution", beat_at=NOON, details=details)
    assert reattribute_due(now=NOON) is None


def test_what_the_catalogue_queued_is_worked_off_once(session: Session) -> None:
    add_skill(session)
    register()
    first = reattribute_due(now=NOON)
    assert first is not None
    assert first.events == 1
    assert reattribute_due(now=NOON) is None


def test_a_newer_builtin_list_is_due_by_itself(session: Session) -> None:
    add(session, "slash_command", command_name="clear")
    details = {"builtin": BUILTIN_VERSION - 1}
    Heartbeat.objects.create(name="attribution", beat_at=NOON, details=details)
    report = reattribute_due(now=NOON)
    assert report is not None
    assert report.events == 1


def test_what_is_left_when_time_is_up_is_done_by_the_next_call(session: Session) -> None:
    sessions = [session, *(make_session(session.user, f"more-{n}") for n in range(3))]
    events = [add_skill(each) for each in sessions]
    register()
    reports = [reattribute_due(now=NOON, batch=1, seconds=0) for _ in sessions]
    assert reports == [(1, 1, 1, 0, True)] * 3 + [(1, 1, 1, 0, False)]
    assert {attribution_of(event)[1] for event in events} == {"till/ledger"}
    assert reattribute_due(now=NOON) is None


def test_it_begins_anew_when_the_catalogue_changes_meanwhile(session: Session) -> None:
    first, second = add_skill(session), add_skill(make_session(session.user, "two"))
    register()
    assert reattribute_due(now=NOON, batch=1, seconds=0)
    retire_plugin(source=Source.CURATED, ref_id="till/ledger", now=NOON - 2 * DAY)
    register("other/ledger")
    reports = [reattribute_due(now=NOON, batch=1, seconds=0) for _ in range(2)]
    assert [report.left for report in reports if report] == [True, False]
    assert [attribution_of(event)[1] for event in (first, second)] == ["other/ledger"] * 2
    assert reattribute_due(now=NOON) is None


def test_what_is_marked_behind_it_is_done_by_another_walk(session: Session) -> None:
    add_skill(make_session(session.user, "two"))
    register()
    assert reattribute_due(now=NOON, batch=1, seconds=0)
    late = add_skill(session)  # stored by a worker that still had the old catalogue
    PendingChange.objects.create(consumer="attribution", kind="all")
    while reattribute_due(now=NOON, batch=1, seconds=0):
        pass
    assert attribution_of(late)[1] == "till/ledger"


def test_contributions_that_were_pruned_stay_away(session: Session) -> None:
    old, young = add_skill(session, at=NOON - 40 * DAY), add_skill(session)
    Watermark.objects.create(name=Watermark.FACTS, day=TODAY - 31 * DAY, updated_at=NOON)
    register(now=NOON - 50 * DAY)
    reattribute(now=NOON)
    assert {attribution_of(event)[1] for event in (old, young)} == {"till/ledger"}
    assert contributions("day", "ref_id") == [(TODAY, "till/ledger")]


def test_two_processes_do_not_do_it_together(session: Session) -> None:
    register()
    assert take("attribution", ttl=DAY)
    with pytest.raises(LeaseTaken):
        reattribute_due(now=NOON)
    assert pending("attribution", "all") == [""]


def slow_sums() -> list[tuple[Any, ...]]:
    """The contributions of every dated event, counted one by one."""
    sums: dict[tuple[Any, ...], list[int]] = {}
    for event in UsageEvent.objects.exclude(occurred_at=None):
        assert event.occurred_at is not None
        name = (
            event.command_name or event.skill_name or event.subagent_type or event.tool_name or ""
        )
        if name.startswith("mcp__"):
            name = name.split("__")[1]
        key = (
            *(event.session_row_id, event.occurred_at.date(), event.event_type, event.tool_name),
            *(event.source, event.ref_id, event.item_kind, name),
        )
        row = sums.setdefault(key, [0, 0, 0, 0, 0])
        row[0] += 1
        row[1] += event.is_invocation
        for place, outcome in enumerate(("failed", "rejected", "interrupted"), start=2):
            row[place] += event.outcome == outcome
    return sorted(((*key, *row) for key, row in sums.items()), key=str)


def test_the_sql_agrees_with_counting_one_by_one(session: Session) -> None:
    chance = Random(20260914)
    shapes: list[tuple[str, dict[str, Any]]] = [
        ("tool_use", {"tool_name": "Bash"}),
        ("tool_use", {"tool_name": "Skill", "skill_name": "ledger:reconcile"}),
        ("tool_use", {"tool_name": "Skill", "skill_name": "reconcile", "field_plugin": "ledger"}),
        ("tool_use", {"tool_name": "SlashCommand", "command_name": "close"}),
        ("subagent", {"tool_name": "Task", "subagent_type": "ledger:auditor"}),
        ("slash_command", {"command_name": "clear"}),
        ("slash_command", {"command_name": "ledger:close", "path_evidence": "x/ledger/1/close"}),
        ("mcp_call", {"tool_name": "mcp__plugin_ledger_books__list"}),
    ]
    sessions = [session, make_session(session.user, "two"), make_session(session.user, "three")]
    for _ in range(300):
        event_type, names = chance.choice(shapes)
        at = NOON - timedelta(hours=chance.randrange(240)) if chance.random() < 0.9 else None
        outcome = chance.choice(["ok", "failed", "rejected", "interrupted", "unknown"])
        add(chance.choice(sessions), event_type, at, outcome=outcome, **names)
    register(now=NOON - 9 * DAY)
    retire_plugin(source=Source.CURATED, ref_id="till/ledger", now=NOON - 5 * DAY)
    register("other/ledger", now=NOON - 4 * DAY)

    reattribute(now=NOON, batch=2)

    resolver = Resolver.load()
    for event in UsageEvent.objects.all():
        named = (event.tool_name, event.skill_name, event.subagent_type, event.command_name)
        found = resolver.resolve(
            *subject_of(event.event_type, *named),
            path=event.path_evidence,
            field_plugin=event.field_plugin,
            at=event.occurred_at,
        )
        assert (event.source, event.ref_id, event.item_kind) == (
            found.source,
            found.ref_id,
            found.item_kind,
        )
        assert (event.evidence, tuple(event.candidates or ())) == (found.evidence, found.candidates)
    touched = {row[:2] for row in contributions("session_row_id", "day")}
    assert contributions(
        "session_row_id", "day", "event_type", "tool_name", "source", "ref_id", "item_kind", "name",
        "calls", "invocations", "errors", "rejected", "interrupted",
    ) == [row for row in slow_sums() if row[:2] in touched]  # fmt: skip
