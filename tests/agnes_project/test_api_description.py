"""What /api/openapi.json says is what the routes answer, refusals included."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.api_answers import ERROR_REF
from accounts.models import AuditEvent, Scope, User
from accounts.tokens import issue_token
from agnes_project.api import api
from telemetry.exports import CONTENT_TYPES

Operation = dict[str, Any]


@cache
def description() -> dict[str, Any]:
    told: dict[str, Any] = Client().get("/api/openapi.json").json()
    return told


def operations() -> Iterator[tuple[str, str, Operation]]:
    for path, methods in description()["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def statuses(method: str, path: str) -> set[int]:
    return {int(one) for one in description()["paths"][path][method]["responses"]}


def test_every_route_is_described() -> None:
    routes = sum(
        len(operation.methods)
        for router in api._get_bound_routers()
        for view in router.path_operations.values()
        for operation in view.operations
    )
    assert len(list(operations())) == routes > 40


def test_every_refusal_is_the_one_error_envelope() -> None:
    for method, path, operation in operations():
        for status, response in operation["responses"].items():
            if int(status) >= 400:
                schema = response["content"]["application/json"]["schema"]
                assert schema == {"$ref": ERROR_REF}, (method, path, status)


def test_the_error_envelope_is_what_is_answered(client: Client) -> None:
    schema = description()["components"]["schemas"]["Error"]["properties"]["error"]
    answer = client.get("/api/me").json()
    assert set(answer) == {"error"}
    assert set(answer["error"]) == set(schema["required"]) == set(schema["properties"])


def test_every_answer_with_a_body_has_a_content_type() -> None:
    bare = {"204", "304"}
    for method, path, operation in operations():
        for status, response in operation["responses"].items():
            assert (status in bare) != bool(response.get("content")), (method, path, status)


def test_every_route_tells_what_follows_from_its_form() -> None:
    for method, path, operation in operations():
        told = statuses(method, path)
        assert told >= {401, 403, 422, 500, 507}, (method, path)
        assert 404 in told or "{" not in path, (method, path)
        assert 400 in told or "requestBody" not in operation, (method, path)


@pytest.mark.parametrize(
    ("method", "path", "own"),
    [
        ("post", "/api/sessions", {400, 409, 410, 411, 413, 415}),
        ("get", "/api/admin/usage/export", {400, 503}),
        ("get", "/api/me/sessions/{session_id}/download", {410}),
        ("post", "/api/admin/usage/ask", {400, 404, 429, 502, 503}),
        ("post", "/api/admin/usage/prune", {409}),
        ("post", "/api/marketplaces/{slug}/sync", {404, 409, 502, 503, 504}),
        ("post", "/api/store/items", {400, 409, 411, 413}),
    ],
)
def test_routes_tell_the_refusals_of_their_own(method: str, path: str, own: set[int]) -> None:
    assert statuses(method, path) >= own


def test_files_are_described_by_their_content_types() -> None:
    def types(path: str) -> set[str]:
        return set(description()["paths"][path]["get"]["responses"]["200"]["content"])

    assert types("/api/admin/usage/export") == set(CONTENT_TYPES.values())
    assert types("/api/usage/snapshot") == set(CONTENT_TYPES.values())
    assert types("/api/me/sessions/{session_id}/download") == {"application/x-ndjson"}
    assert types("/api/store/items/{name}/download") == {"application/zip"}
    assert types("/api/admin/usage/ask/history/{id}/csv") == {"text/csv"}


@pytest.mark.django_db
@pytest.mark.parametrize("body", [None, b"[", b"{}"])
def test_no_route_refuses_with_a_status_it_does_not_tell(body: bytes | None) -> None:
    """Every route is asked by nobody, by a person and by an admin, for what is not there."""
    clients = [Client(), _client("person"), _client("admin", is_staff=True)]
    refused = 0
    for method, path, _ in operations():
        address = re.sub(r"{\w+}", "7", path)
        for client in clients:
            answer = client.generic(
                method.upper(), address, body or b"", content_type="application/json"
            )
            if answer.streaming:
                assert answer.getvalue()
            refused += answer.status_code >= 400
            assert answer.status_code in statuses(method, path), (method, path, answer.status_code)
    assert refused > len(list(operations()))


def _client(name: str, *, is_staff: bool = False) -> Client:
    user = User.objects.create_user(f"{name}@example.com", is_staff=is_staff)
    scopes = [one.value for one in Scope if is_staff or one != Scope.ADMIN]
    _, text = issue_token(
        by=None,
        user=user,
        name=name,
        scopes=scopes,
        now=timezone.now(),
        door=AuditEvent.Door.COMMAND,
    )
    return Client(headers={"authorization": f"Bearer {text}"})
