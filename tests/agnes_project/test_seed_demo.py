import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from django.test import Client
from pytest_django.fixtures import Settings

from accounts.models import User
from telemetry import mirror
from telemetry.models import Session, UsageEvent

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 6, 15, 14, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def mirror_folder(tmp_path: Path, settings: Settings) -> Iterator[None]:
    settings.AGNES_MIRROR_DIR = tmp_path / "mirror"
    mirror.close()
    yield
    mirror.close()


def run(*, now: datetime = NOW, **options: Any) -> str:
    out = StringIO()
    call_command("seed_demo", **{"now": now, "days": 2, "stdout": out, **options})
    return out.getvalue()


def figures() -> list[Any]:
    return sorted(UsageEvent.objects.values_list("id", "username", "occurred_at", "outcome"))


def test_the_same_seed_tells_the_same_stories_and_another_one_others() -> None:
    found = []
    for number in (1, 1, 2):
        with transaction.atomic():
            run(people=3, seed=number)
            found.append(figures())
            transaction.set_rollback(True)
    assert found[0] == found[1]
    assert found[0] != found[2]


def test_adding_later_lets_the_same_sessions_go_on() -> None:
    with transaction.atomic():
        run(people=4)
        at_once = figures()
        transaction.set_rollback(True)
    run(now=NOW - timedelta(hours=5), people=4)
    assert len(figures()) < len(at_once)
    run(add=True, people=4)
    assert figures() == at_once


def test_the_closing_sentence_leads_to_pages_that_show_something(client: Client) -> None:
    addresses = re.findall(r"/admin/[a-z/]+", run(people=3))
    client.force_login(User.objects.create_superuser("root@example.org"))
    assert len(addresses) == 2
    for address in addresses:
        assert client.get(address).context["cl"].result_count > 0


def test_a_filled_database_is_left_alone() -> None:
    run(people=1)
    with pytest.raises(CommandError, match="--add"):
        run(people=1)


@pytest.mark.parametrize("wrong", [{"days": 0}, {"people": 0}, {"people": 41}, {"days": 401}])
def test_numbers_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(CommandError, match="Give 1 to"):
        run(**wrong)
    assert not Session.objects.exists()


def test_the_closing_sentence_says_what_was_made_and_where_to_look() -> None:
    said = run(people=2)
    assert said.startswith(f"Made {Session.objects.count()} sessions of 2 people")
    assert "/admin/telemetry/" in said


def test_the_command_line_takes_times_as_utc_unless_they_say_otherwise() -> None:
    with transaction.atomic():
        call_command("seed_demo", "--now=2026-06-15T14:30", "--days=1", "--people=1", verbosity=0)
        naive = figures()
        transaction.set_rollback(True)
    call_command("seed_demo", "--now=2026-06-15T16:30+02:00", "--days=1", "--people=1", verbosity=0)
    assert figures() == naive
