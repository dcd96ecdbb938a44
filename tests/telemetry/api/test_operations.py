"""Reprocess, prune and process over HTTP: admins only, the commands' functions, audited."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django_q.models import OrmQ
from pytest_django.fixtures import Settings

from accounts.models import AuditEvent, User
from telemetry import leases, mirror
from telemetry.api import operations
from telemetry.models import ProcessorState, UsageEvent, Watermark
from tests.telemetry.api.uploading import error, token
from tests.telemetry.processed_sessions import empty_storage, process, store_session

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, settings: Settings) -> Iterator[None]:
    settings.AGNES_MIRROR_DIR = tmp_path / "mirror"
    mirror.close()
    empty_storage()
    yield
    mirror.close()


@pytest.fixture
def admin() -> User:
    return User.objects.create_superuser("root@example.org", username="root")


def post(user: User, path: str, body: dict[str, Any] | None = None, *scopes: str) -> Any:
    headers = {"Authorization": f"Bearer {token(user, *(scopes or ('admin',)))}"}
    return Client().post(
        f"/api/admin/{path}", body, content_type="application/json", headers=headers
    )


@pytest.mark.parametrize("path", ["usage/reprocess", "usage/prune", "run-session-processor"])
def test_only_an_admin_with_the_admin_scope_may(path: str, ada: User, admin: User) -> None:
    store_session(ada, "one", 1)

    assert error(post(ada, path, {}, "read"), 403)["code"] == "admin_only"
    assert error(post(admin, path, {}, "read"), 403)["code"] == "missing_scope"
    assert Client().post(f"/api/admin/{path}").status_code == 401
    assert set(ProcessorState.objects.values_list("status", flat=True)) == {"due"}


def test_processing_brings_due_sessions_to_the_pages(ada: User, admin: User) -> None:
    store_session(ada, "one", 1)

    answer = post(admin, "run-session-processor?processor=usage").json()

    assert answer == {
        "sessions": 1,
        "failed": 0,
        "quarantined": 0,
        "skipped": 0,
        "left": False,
    }
    assert UsageEvent.objects.count() == 2
    audited = AuditEvent.objects.get(action="usage.process")
    assert (audited.actor, audited.door, audited.details["processor"]) == (admin, "api", "usage")


def test_an_unknown_processor_is_refused(admin: User) -> None:
    answer = error(post(admin, "run-session-processor?processor=none"), 422)

    assert answer["code"] == "unknown_processor"
    assert "usage, verification" in answer["fix"]


def test_reprocess_tells_first_and_acts_only_when_told_so(ada: User, admin: User) -> None:
    store_session(ada, "one", 1)
    process()
    expected = {"done": False, "sessions": 1, "events": 2, "responses": 2, "skipped": []}

    assert post(admin, "usage/reprocess", {}).json() == expected
    assert post(admin, "usage/reprocess").json() == expected  # no body at all
    assert UsageEvent.objects.count() == 2

    answer = post(admin, "usage/reprocess", {"user": "ada", "yes": True}).json()

    assert answer == {**expected, "done": True}
    assert UsageEvent.objects.count() == 0
    assert OrmQ.objects.count() == 1
    audited = AuditEvent.objects.get(action="usage.reprocess")
    assert (audited.actor, audited.subject, audited.door) == (admin, ada, "api")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"user": "nobody"}, 404, "unknown_person"),
        ({"user": "No Name!"}, 422, "unusable_person"),
        ({"since": "2026-05-02", "until": "2026-05-01"}, 400, "reversed_range"),
        ({"since": "yesterday"}, 422, "invalid_request"),
    ],
)
def test_a_choice_that_means_nothing_is_refused(
    admin: User, body: dict[str, Any], status: int, code: str
) -> None:
    assert error(post(admin, "usage/reprocess", body), status)["code"] == code


def test_prune_acts_by_the_settings(ada: User, admin: User, settings: Settings) -> None:
    settings.USAGE_EVENTS_RETENTION_DAYS = 30
    settings.USAGE_QUESTIONS_RETENTION_DAYS = 0
    store_session(ada, "one", 4000)
    process()

    shown = post(admin, "usage/prune", {"dry_run": True}).json()
    assert (shown["events"], shown["dry_run"], UsageEvent.objects.count()) == (2, True, 2)
    answer = post(admin, "usage/prune").json()

    watermark = Watermark.objects.get(name="events_pruned_before").day
    assert (answer["events"], answer["left"]) == (2, False)
    assert answer["first_days"] == {"events_pruned_before": watermark.isoformat()}
    assert UsageEvent.objects.count() == 0
    assert AuditEvent.objects.get(action="usage.prune").actor == admin


def test_a_prune_that_takes_long_goes_on_in_the_worker(
    ada: User, admin: User, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.USAGE_EVENTS_RETENTION_DAYS = 30
    monkeypatch.setattr(operations, "PRUNE_SECONDS", -1.0)

    assert post(admin, "usage/prune").json()["left"]
    assert [row.task["func"] for row in OrmQ.objects.all()] == ["telemetry.tasks.prune"]


def test_two_prunes_do_not_overlap(admin: User) -> None:
    with leases.lease("prune", ttl=timedelta(minutes=1)):
        assert error(post(admin, "usage/prune"), 409)["code"] == "lease_taken"


@pytest.mark.parametrize(
    ("path", "body", "action"),
    [
        ("usage/reprocess", {"yes": True}, "usage.reprocess"),
        ("usage/prune", {}, "usage.prune"),
        ("run-session-processor", {}, "usage.process"),
    ],
)
def test_the_audit_row_tells_where_the_request_came_from(
    admin: User, path: str, body: dict[str, Any], action: str
) -> None:
    headers = {"Authorization": f"Bearer {token(admin, 'admin')}", "X-Request-ID": "request-0001"}
    answer = Client().post(
        f"/api/admin/{path}",
        body,
        content_type="application/json",
        headers=headers,
        REMOTE_ADDR="192.0.2.7",
    )
    assert answer.status_code == 200, answer.content
    event = AuditEvent.objects.get(action=action)
    assert (event.ip, event.request_id) == ("192.0.2.7", "request-0001")
