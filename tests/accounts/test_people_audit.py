"""What an admin does to people on pages is in the audit trail: what changed, and no secret."""

from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client

from accounts.models import AuditEvent, User

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"


@pytest.fixture
def ada(client: Client) -> User:
    ada = User.objects.create_user("ada@example.org", is_staff=True)
    client.force_login(ada)
    return ada


@pytest.fixture
def bob() -> User:
    return User.objects.create_user("bob@example.org", "former horse battery")


def told() -> AuditEvent:
    """The one event of these tests, checked for what none may hold."""
    event = AuditEvent.objects.exclude(action="user.sign_in").get()
    assert PASSWORD not in str(event.details)
    assert "md5$" not in str(event.details)  # the hasher of the tests
    assert "@" not in str(event.details)
    return event


def change(client: Client, user: User, **values: Any) -> None:
    data = {"email": user.email, "name": user.name, "is_active": "on", **values}
    answer = client.post(
        f"/admin/accounts/user/{user.pk}/change/", data, headers={"X-Request-ID": "page-0001"}
    )
    assert answer.status_code == 302, answer.content


def test_making_somebody_admin_tells_from_what_to_what(
    client: Client, ada: User, bob: User
) -> None:
    change(client, bob, is_staff="on", telemetry_opt_out="on")

    event = told()
    assert (event.action, event.actor, event.subject) == ("user.change", ada, bob)
    assert (event.resource_type, event.resource_id) == ("user", str(bob.pk))
    assert event.details == {
        "changed": ["is_staff", "telemetry_opt_out"],
        "is_staff": [False, True],
        "telemetry_opt_out": [False, True],
    }
    assert (event.ip, event.request_id, event.door) == ("127.0.0.1", "page-0001", "page")


def test_another_address_is_told_without_the_address(client: Client, ada: User, bob: User) -> None:
    change(client, bob, email="robert@example.org")
    assert told().details == {"changed": ["email"]}


def test_saving_without_a_change_tells_nothing(client: Client, ada: User, bob: User) -> None:
    change(client, bob)
    assert not AuditEvent.objects.exclude(action="user.sign_in").exists()


def test_adding_a_person_is_told(client: Client, ada: User) -> None:
    data = {"email": "eve@example.org", "usable_password": "true"}
    data |= {"password1": PASSWORD, "password2": PASSWORD}
    client.post("/admin/accounts/user/add/", data)
    event = told()
    assert (event.action, event.details) == ("user.create", {"sign_in": True})
    assert event.subject == User.objects.get(username="eve")


def test_a_new_password_is_told_without_it(client: Client, ada: User, bob: User) -> None:
    address = f"/admin/accounts/user/{bob.pk}/password/"
    passwords = {"password1": PASSWORD, "password2": PASSWORD, "usable_password": "true"}
    client.post(address, {**passwords, "password2": "another horse battery"})
    assert not AuditEvent.objects.filter(action="user.change").exists()

    assert client.post(address, passwords).status_code == 302
    event = told()
    assert (event.action, event.subject) == ("user.change", bob)
    assert event.details == {"changed": ["password"], "sign_in": True}


def test_a_deleted_person_keeps_a_name_in_the_trail(client: Client, ada: User, bob: User) -> None:
    client.post(f"/admin/accounts/user/{bob.pk}/delete/", {"post": "yes"})
    assert not User.objects.filter(pk=bob.pk).exists()
    event = told()
    assert (event.action, event.details) == ("user.delete", {"username": "bob"})
    assert event.resource_id == str(bob.pk)


def test_people_deleted_from_the_list_are_told_one_by_one(
    client: Client, ada: User, bob: User
) -> None:
    eve = User.objects.create_user("eve@example.org")
    data = {"action": "delete_selected", "_selected_action": [bob.pk, eve.pk], "post": "yes"}
    client.post("/admin/accounts/user/", data)
    events = AuditEvent.objects.filter(action="user.delete")
    assert {event.details["username"] for event in events} == {"bob", "eve"}


def test_a_change_whose_event_cannot_be_written_is_undone(
    client: Client, ada: User, bob: User
) -> None:
    def refuse(execute: Any, sql: str, *rest: Any) -> Any:
        if "INSERT" in sql and AuditEvent._meta.db_table in sql:
            raise OperationalError("no space left on device")
        return execute(sql, *rest)

    client.raise_request_exception = False
    data = {"email": bob.email, "is_active": "on", "is_staff": "on"}
    with connection.execute_wrapper(refuse):
        answer = client.post(f"/admin/accounts/user/{bob.pk}/change/", data)
    assert answer.status_code == 500
    bob.refresh_from_db()
    assert not bob.is_staff


def test_groups_are_not_offered(client: Client, ada: User) -> None:
    assert client.get("/admin/auth/group/").status_code == 404
    assert "Groups" not in client.get("/admin/").content.decode()
