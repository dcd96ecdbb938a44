"""Random usage of a few people over weeks, in the relational database and in a mirror."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from django.db import transaction
from django.test import override_settings
from pytest_django import DjangoDbBlocker

from telemetry import mirror
from telemetry.models import AttributionSkill
from tests.telemetry.usage_rows import (
    make_session,
    make_summary,
    make_user,
    mark,
    random_contributions,
    recompute_all,
)

NOW = datetime(2026, 6, 15, 14, 30, tzinfo=UTC)
MODELS = ["claude-sonnet-4-5", "claude-opus-4-6", "unheard-of", None]
PROJECTS = ["/work/agnes", "/work/<b>harbour</b>", ""]


@pytest.fixture(scope="module")
def usage(
    tmp_path_factory: pytest.TempPathFactory,
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("mirror")
    with (
        override_settings(AGNES_MIRROR_DIR=folder),
        django_db_blocker.unblock(),
        transaction.atomic(),
    ):
        fill()
        mirror.sync(now=NOW)
        yield
        transaction.set_rollback(True)
        mirror.close()


def fill() -> None:
    """Sessions of 45 days; some start at no known time, cost nothing known, or hold no answer."""
    chance = random.Random(7)
    sessions = []
    for name in ("ada", "bob", "cleo"):
        user = make_user(name)
        for number in range(14):
            start = NOW - timedelta(hours=chance.randint(0, 45 * 24))
            session = make_session(user, f"{name}-{number}", at=start)
            sessions.append((session, start))
            model = chance.choice(MODELS)
            responses = 0 if model is None else chance.randint(1, 30)
            make_summary(
                session,
                started_at=None if number == 13 else start,
                ended_at=None if number == 13 else start + timedelta(hours=2),
                prompts=chance.randint(0, 9),
                active_seconds=chance.random() * 5000,
                responses=responses,
                usage_final_share=(chance.randint(0, responses) / responses if responses else None),
                input_tokens=chance.randint(0, 10**10),
                output_tokens=chance.randint(0, 1000),
                cache_creation_tokens=chance.randint(0, 1000),
                cache_read_tokens=chance.randint(0, 1000),
                cost_usd=None if model in (None, "unheard-of") else chance.random() * 3,
                primary_model=model,
                project=chance.choice(PROJECTS),
            )
            mark("mirror", "session", session.pk)
    for session, start in sessions:
        days = [start.date() + timedelta(days=i) for i in range(3)]
        random_contributions(session.pk, [day for day in days if day <= NOW.date()], [session])
    AttributionSkill.objects.create(
        source="curated",
        ref_id="shop/lint",
        marketplace="shop",
        plugin="lint",
        skill_name="lint:never-called",
        valid_from=NOW,
    )
    mark("mirror", "table", AttributionSkill._meta.db_table)
    recompute_all(NOW)
