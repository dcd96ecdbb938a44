import json
import logging
from typing import Any

import pytest
from django.http import Http404, HttpRequest
from django.test import Client
from django.urls import path
from ninja import NinjaAPI, Schema
from pytest_django import Settings

from accounts.api_auth import SessionCookieAuth, TokenAuth
from accounts.errors import AgnesError
from accounts.models import Scope, User
from accounts.permissions import require_admin, require_scope
from agnes_project.api_errors import register_error_handlers
from agnes_project.request_id import RequestIdFilter
from agnes_project.urls import urlpatterns as project_patterns

pytestmark = pytest.mark.django_db

sample = NinjaAPI(auth=[TokenAuth(), SessionCookieAuth()], urls_namespace="sample", docs_url=None)
register_error_handlers(sample)


class OutOfTea(AgnesError):
    code = "out_of_tea"
    status = 409


class Order(Schema):
    cups: int


@sample.get("/scoped/{scope}")
def scoped(request: HttpRequest, scope: Scope) -> str:
    return require_scope(request, scope).username


@sample.get("/admin-only")
def admin_only(request: HttpRequest) -> str:
    return require_admin(request).username


@sample.post("/orders")
def order(request: HttpRequest, order: Order) -> str:
    raise OutOfTea("There is no tea.", fix="Order coffee.", details={"cups": order.cups})


@sample.get("/gone", auth=None)
def gone(request: HttpRequest) -> str:
    raise Http404


@sample.get("/broken", auth=None)
def broken(request: HttpRequest) -> str:
    raise RuntimeError("a secret detail")


urlpatterns = [path("api/sample/", sample.urls), *project_patterns]


@pytest.fixture(autouse=True)
def _routes(settings: Settings) -> None:
    settings.ROOT_URLCONF = __name__


def error_of(response: Any, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.content
    body = json.loads(response.content)
    assert set(body) == {"error"}
    assert set(body["error"]) == {"code", "message", "fix", "details", "request_id"}
    assert body["error"]["message"]
    assert body["error"]["fix"]
    return dict(body["error"])


def test_an_own_error_gives_its_code_sentence_fix_and_details(client: Client) -> None:
    client.force_login(User.objects.create_user("ada@example.org"))
    response = client.post("/api/sample/orders", {"cups": 2}, content_type="application/json")
    error = error_of(response, 409)
    assert error.pop("request_id") == response.headers["X-Request-ID"]
    assert error == {
        "code": "out_of_tea",
        "message": "There is no tea.",
        "fix": "Order coffee.",
        "details": {"cups": 2},
    }


def test_a_bad_value_is_named(client: Client) -> None:
    client.force_login(User.objects.create_user("ada@example.org"))
    response = client.post("/api/sample/orders", {"cups": "x"}, content_type="application/json")
    error = error_of(response, 422)
    assert error["code"] == "invalid_request"
    assert error["details"]["problems"][0]["where"] == "body.order.cups"


@pytest.mark.parametrize(
    ("method", "address", "status", "code"),
    [
        ("get", "/api/sample/scoped/read", 401, "not_signed_in"),
        ("get", "/api/sample/gone", 404, "not_found"),
        ("get", "/api/nowhere", 404, "not_found"),
        ("delete", "/api/sample/orders", 405, "method_not_allowed"),
        ("get", "/api/sample/broken", 500, "internal_error"),
    ],
)
def test_every_refusal_comes_in_the_envelope(
    client: Client, method: str, address: str, status: int, code: str
) -> None:
    response = getattr(client, method)(address)
    assert error_of(response, status)["code"] == code
    assert "secret detail" not in response.content.decode()
    assert response.headers["X-Request-ID"]


def test_a_405_keeps_its_allow_header(client: Client) -> None:
    assert client.delete("/api/sample/orders").headers["Allow"] == "POST"


def test_a_session_without_a_csrf_token_is_refused() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.create_user("ada@example.org"))
    response = client.post("/api/sample/orders", {"cups": 2}, content_type="application/json")
    assert error_of(response, 403)["code"] == "forbidden"


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Basic YWRhOnB3"}])
def test_who_comes_without_a_session_is_told_to_sign_in_whatever_the_method(
    headers: dict[str, str],
) -> None:
    client = Client(enforce_csrf_checks=True)
    for answer in (
        client.post("/api/sample/orders", {}, content_type="application/json", headers=headers),
        client.get("/api/sample/scoped/read", headers=headers),
    ):
        assert error_of(answer, 401)["code"] == "not_signed_in"
        assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_djangos_own_log_lines_carry_the_request_id(client: Client) -> None:
    records: list[logging.LogRecord] = []

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    handler = Keeping()
    handler.addFilter(RequestIdFilter())
    logger = logging.getLogger("django.request")
    logger.addHandler(handler)
    try:
        answer = client.get("/api/nowhere")
    finally:
        logger.removeHandler(handler)
    assert [record.request_id for record in records] == [answer.headers["X-Request-ID"]]  # type: ignore[attr-defined]


def test_pages_outside_the_api_stay_pages(client: Client) -> None:
    response = client.get("/nowhere")
    assert response.status_code == 404
    assert response.headers["Content-Type"].startswith("text/html")


def test_the_api_documentation_is_served(client: Client) -> None:
    assert client.get("/api/docs").status_code == 200
    assert client.get("/api/openapi.json").json()["info"]["title"] == "Agnes"


def test_a_request_id_from_outside_is_kept_only_when_well_formed(client: Client) -> None:
    good = client.get("/livez", headers={"X-Request-ID": "abc-12345678"})
    bad = client.get("/livez", headers={"X-Request-ID": "a b<script>"})
    assert good.headers["X-Request-ID"] == "abc-12345678"
    assert len(bad.headers["X-Request-ID"]) == 32
