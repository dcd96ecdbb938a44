"""Responses belong to the skill active around them, when they are stored and whenever it moves."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django.fixtures import Settings

from accounts.models import User
from benchmarks.transcript_lines import answer, encode, text
from telemetry import mirror
from telemetry.attribution import explode_plugin, retire_plugin
from telemetry.models import PendingChange, Session, UsageResponse, Watermark
from telemetry.reattribution import reattribute
from telemetry.taxonomy import Source
from tests.telemetry.counting import MAIN, after, thread
from tests.telemetry.database_dump import process, upload
from tests.telemetry.processed_sessions import mirrored
from tests.telemetry.usage_rows import make_response, make_session, make_user

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 9, 14, 12, tzinfo=UTC)
DAY = timedelta(days=1)
LEDGER = ("curated", "till/ledger", "till", "ledger")
NOBODY = ("unattributed", None, None, None)
UNTOLD = (None, None, None, None)


@pytest.fixture
def session() -> Session:
    return make_session(make_user("mira"), "one", at=NOON)


def register(ref_id: str = "till/ledger", now: datetime = NOON - DAY) -> None:
    marketplace, _, plugin = ref_id.partition("/")
    explode_plugin(
        source=Source.CURATED,
        ref_id=ref_id,
        marketplace=marketplace,
        plugin=plugin,
        version="1.0",
        marketplace_names=[f"{marketplace}-market"],
        skills=[f"{plugin}:reconcile"],
        agents=[],
        commands=[],
        mcp_servers=[],
        now=now,
    )


def add(session: Session, number: int, skill: str | None = None, **more: Any) -> UsageResponse:
    values = {"occurred_at": NOON, "context_skill": skill, **more}
    response = make_response(session, number, **values)
    response.save(force_insert=True)
    return response


def attribution_of(response: UsageResponse) -> tuple[str | None, ...]:
    response.refresh_from_db()
    return response.source, response.ref_id, response.marketplace, response.plugin


@pytest.mark.parametrize(
    ("context", "attribution"),
    [
        ({"attributionSkill": "ledger:reconcile", "attributionPlugin": "ledger"}, LEDGER),
        ({"attributionSkill": "ledger:reconcile"}, LEDGER),
        ({"attributionSkill": "reconcile", "attributionPlugin": "ledger@till-market"}, LEDGER),
        ({"attributionSkill": "reconcile"}, LEDGER),
        # The bare name is another plugin's here, so it is not the registered one's.
        ({"attributionSkill": "reconcile", "attributionPlugin": "abacus"}, NOBODY),
        ({"attributionSkill": "my-notes"}, NOBODY),
        ({"attributionSkill": "simplify"}, ("builtin", None, None, None)),
        ({}, UNTOLD),
        ({"attributionSkill": ""}, UNTOLD),
    ],
)
def test_a_response_is_stored_with_the_item_active_around_it(
    context: dict[str, Any], attribution: tuple[str | None, ...]
) -> None:
    register()
    user = User.objects.create_user("ada@example.org")
    assert upload(user, MAIN, encode([answer(thread(), text("Done."), at=after(0), **context)]))
    process()

    assert attribution_of(UsageResponse.objects.get()) == attribution
    reattribute(now=NOON)
    assert attribution_of(UsageResponse.objects.get()) == attribution


def test_stored_responses_follow_the_catalogue(session: Session) -> None:
    named = add(session, 1, "ledger:reconcile", source="unattributed")
    by_field = add(session, 2, "reconcile", context_plugin="ledger", source="unattributed")
    mine = add(session, 3, "my-notes", source="unattributed")
    untold = add(session, 4)
    register()

    report = reattribute(now=NOON)

    assert (report.events, report.responses, report.sessions, report.days) == (0, 2, 1, 0)
    found = [attribution_of(each) for each in (named, by_field, mine, untold)]
    assert found == [LEDGER, LEDGER, NOBODY, UNTOLD]


def test_a_response_stored_without_attribution_gets_one(session: Session) -> None:
    response = add(session, 1, "my-notes")
    reattribute(now=NOON)
    assert attribution_of(response) == NOBODY


def test_responses_go_to_the_holder_of_their_time(session: Session) -> None:
    old = add(session, 1, "ledger:reconcile", occurred_at=NOON - 5 * DAY)
    new = add(session, 2, "ledger:reconcile")
    undated = add(session, 3, "ledger:reconcile", occurred_at=None)
    register(now=NOON - 9 * DAY)
    retire_plugin(source=Source.CURATED, ref_id="till/ledger", now=NOON - 2 * DAY)
    register("other/ledger", now=NOON - DAY)

    reattribute(now=NOON)

    found = [attribution_of(response)[1] for response in (old, new, undated)]
    assert found == ["till/ledger", "other/ledger", "other/ledger"]


def test_only_what_changed_is_written_and_marked(session: Session) -> None:
    other = make_session(session.user, "two", at=NOON)
    add(session, 1, "ledger:reconcile")
    add(other, 1, "my-notes", source="unattributed")
    register()
    PendingChange.objects.all().delete()

    assert reattribute(now=NOON).responses == 1

    marks = PendingChange.objects.values_list("consumer", "kind", "key")
    assert list(marks) == [("mirror", "session", str(session.pk))]
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert reattribute(now=NOON) == (0, 0, 0, 0, False)
    assert not [one for one in queries if one["sql"].startswith("UPDATE usage_")]


def test_responses_of_pruned_events_follow_too(session: Session) -> None:
    response = add(session, 1, "ledger:reconcile")
    Watermark.objects.create(name="events_pruned_before", day=NOON.date() + DAY, updated_at=NOON)
    register()
    reattribute(now=NOON)
    assert attribution_of(response) == LEDGER


def test_a_changed_response_is_in_the_mirror_after_one_sync(
    session: Session, settings: Settings, tmp_path: Path
) -> None:
    settings.AGNES_MIRROR_DIR = tmp_path
    mirror.close()
    add(session, 1, "ledger:reconcile")
    register()
    reattribute(now=NOON)
    mirror.sync(now=NOON)
    columns = "source, ref_id, marketplace, plugin"
    assert mirrored(f"SELECT {columns} FROM usage_responses") == [LEDGER]  # noqa: S608
    mirror.close()
