"""What a request says and Agnes does not know is refused, on every route alike."""

from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from accounts.models import AuditEvent, User

pytestmark = pytest.mark.django_db
PRUNE = "/api/admin/usage/prune"
REPROCESS = "/api/admin/usage/reprocess"


@pytest.fixture
def api(client: Client, settings: Settings, tmp_path: Path) -> Client:
    settings.AGNES_MIRROR_DIR = tmp_path / "mirror"
    client.force_login(User.objects.create_user("root@example.org", is_staff=True))
    return client


def refused(answer: Any) -> dict[str, Any]:
    assert answer.status_code == 422, answer.content
    error: dict[str, Any] = answer.json()["error"]
    assert error["fix"]
    return error


def post(api: Client, address: str, body: str) -> Any:
    return api.post(address, body, content_type="application/json")


@pytest.mark.parametrize("body", ['{"dryRun": true}', '{"dry-run": true, "x": 1}'])
def test_a_misspelt_key_stops_a_pruning_and_names_the_right_one(api: Client, body: str) -> None:
    error = refused(post(api, PRUNE, body))
    assert error["code"] == "unknown_input"
    assert "Did you mean dry_run?" in error["fix"]
    assert not AuditEvent.objects.filter(action="usage.prune").exists()


@pytest.mark.parametrize("body", ["[]", '[{"dry_run": true}]', "null", "1", '"dry_run"'])
def test_a_body_that_is_no_object_stops_a_pruning(api: Client, body: str) -> None:
    refused(post(api, PRUNE, body))
    assert not AuditEvent.objects.filter(action="usage.prune").exists()


def test_a_parameter_that_belongs_into_the_body_stops_a_pruning(api: Client) -> None:
    error = refused(post(api, PRUNE + "?dry_run=true", ""))
    assert "dry_run" in error["message"]
    assert not AuditEvent.objects.filter(action="usage.prune").exists()


def test_a_pruning_without_a_body_acts_as_the_command_does(api: Client) -> None:
    assert post(api, PRUNE, "").status_code == 200
    assert AuditEvent.objects.filter(action="usage.prune").exists()
    assert post(api, PRUNE, '{"dry_run": true}').json()["dry_run"] is True


def test_an_unknown_key_does_not_reprocess_everybody(api: Client) -> None:
    error = refused(post(api, REPROCESS, '{"usr": "eva", "yes": true}'))
    assert error["details"]["unknown"] == ["usr"]
    assert "user" in error["fix"]


def test_a_parameter_in_the_body_of_a_route_without_one_is_refused(api: Client) -> None:
    refused(post(api, "/api/admin/run-session-processor", '{"processor": "usage"}'))


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("user=eva", "user_id"),
        ("User_id=eva", "user_id"),
        ("user_id=", "user_id"),
        ("since=", "since"),
        ("user_id=1&user_id=2", "user_id"),
    ],
)
def test_an_export_with_a_filter_that_does_not_filter_is_refused(
    api: Client, query: str, named: str
) -> None:
    error = refused(api.get(f"/api/admin/usage/export?{query}"))
    assert named in error["message"] + error["fix"]
    assert not AuditEvent.objects.filter(action="usage.export").exists()


def test_who_is_not_signed_in_is_told_that_first(client: Client) -> None:
    assert client.get("/api/admin/usage/export?user=eva").status_code == 401


@pytest.mark.parametrize("yes", ["true", "false"])
def test_reprocessing_a_session_that_is_not_there_is_404(api: Client, yes: str) -> None:
    answer = post(api, REPROCESS, f'{{"session": "nowhere", "yes": {yes}}}')
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "unknown_session"
    assert not AuditEvent.objects.filter(action="usage.reprocess").exists()
