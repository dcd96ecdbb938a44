from collections.abc import Callable

import pytest
from django.db import transaction
from django.test import Client, RequestFactory

from accounts import audit
from accounts.models import AppendOnly, AuditEvent, User

pytestmark = pytest.mark.django_db


def test_an_event_keeps_who_what_and_whose() -> None:
    ada = User.objects.create_user("ada@example.org")
    bob = User.objects.create_user("bob@example.org")
    request = RequestFactory().get("/", REMOTE_ADDR="192.0.2.7")
    request.request_id = "r-12345678"  # type: ignore[attr-defined]
    audit.record(
        action="session.view",
        actor=ada,
        subject=bob,
        resource_type="session",
        resource_id="s1",
        details={"lines": 3},
        door=audit.Door.PAGE,
        request=request,
    )
    event = AuditEvent.objects.get()
    assert (event.actor, event.actor_label, event.subject) == (ada, "ada", bob)
    assert (event.ip, event.request_id, event.result) == ("192.0.2.7", "r-12345678", "ok")
    assert list(AuditEvent.objects.about(bob)) == [event]
    assert list(AuditEvent.objects.about(ada)) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda event: event.save(),
        lambda event: event.delete(),
        lambda event: AuditEvent.objects.all().delete(),
        lambda event: AuditEvent.objects.update(result="denied"),
        lambda event: AuditEvent.objects.bulk_update([event], ["result"]),
    ],
)
def test_an_event_can_be_neither_changed_nor_deleted(
    change: Callable[[AuditEvent], object],
) -> None:
    event = audit.record(action="user.sign_in", door=audit.Door.PAGE)
    with pytest.raises(AppendOnly):
        change(event)
    assert AuditEvent.objects.get().result == "ok"


def test_an_event_outlives_the_account_and_keeps_its_name() -> None:
    ada = User.objects.create_user("ada@example.org")
    audit.record(action="usage.export", actor=ada, subject=ada, door=audit.Door.COMMAND)
    ada.delete()
    event = AuditEvent.objects.get()
    assert (event.actor, event.subject, event.actor_label) == (None, None, "ada")


def test_an_event_goes_with_the_change_it_tells_of() -> None:
    with transaction.atomic():
        audit.record(action="usage.prune", door=audit.Door.SYSTEM)
        transaction.set_rollback(True)
    assert not AuditEvent.objects.exists()


def test_signing_in_and_out_is_recorded(client: Client) -> None:
    ada = User.objects.create_user("ada@example.org", "correct horse", is_staff=True)
    client.post("/admin/login/", {"username": "Ada@example.org", "password": "correct horse"})
    client.post("/admin/logout/")
    events = AuditEvent.objects.order_by("id").values_list("action", "actor", "result")
    assert list(events) == [("user.sign_in", ada.pk, "ok"), ("user.sign_out", ada.pk, "ok")]


def test_a_failed_sign_in_names_the_account_and_never_what_was_typed(client: Client) -> None:
    ada = User.objects.create_user("ada@example.org", "correct horse")
    for typed in ("ada@example.org", "my secret password"):
        client.post("/admin/login/", {"username": typed, "password": "wrong"})
    known, unknown = AuditEvent.objects.order_by("id")
    assert (known.subject, known.actor_label, known.result) == (ada, "ada", "failed")
    assert (unknown.subject, unknown.actor_label) == (None, "unknown")
    assert "secret" not in str(list(AuditEvent.objects.values()))
