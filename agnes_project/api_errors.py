"""One error envelope for everything under /api/: {"error": {code, message, fix, details,
request_id}}."""

import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseBase, JsonResponse
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError

from accounts.errors import AgnesError
from accounts.full_disks import is_disk_full
from agnes_project.request_id import current_request_id

logger = logging.getLogger(__name__)
API_PREFIX = "/api/"

# What to say where only a status is known: (code, message, fix).
PLAIN: Mapping[int, tuple[str, str, str]] = {
    400: ("bad_request", "The request cannot be understood.", "See /api/docs."),
    401: (
        "not_signed_in",
        "This needs a signed-in user.",
        "Send 'Authorization: Bearer agn_...' with a personal access token.",
    ),
    403: ("forbidden", "You may not do this.", "Ask an admin of this Agnes."),
    404: ("not_found", "There is nothing here.", "Check the address; see /api/docs."),
    405: ("method_not_allowed", "This address does not take that method.", "See /api/docs."),
    413: ("too_large", "The request is too large.", "Send less at once."),
    429: ("too_many_requests", "Too many requests.", "Wait a little, then try again."),
    500: (
        "internal_error",
        "Agnes failed to answer.",
        "Give the request id of this answer to an admin, who finds it in the log.",
    ),
    503: ("unavailable", "Agnes is not ready.", "Try again in a minute."),
    507: (
        "storage_full",
        "There is no room left under AGNES_DATA_DIR.",
        "The operator has to make room; then send it again.",
    ),
}


def error_response(
    *,
    status: int,
    code: str,
    message: str,
    fix: str,
    details: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JsonResponse:
    error = {
        "code": code,
        "message": message,
        "fix": fix,
        "details": details or {},
        "request_id": current_request_id(),
    }
    return JsonResponse({"error": error}, status=status, headers=dict(headers or {}))


def plain_error_response(
    status: int, *, message: str = "", headers: Mapping[str, str] | None = None
) -> JsonResponse:
    """The envelope for a bare status; `message` replaces the standard sentence when given."""
    code, standard, fix = PLAIN.get(status) or (
        f"http_{status}",
        HTTPStatus(status).phrase + ".",
        "See /api/docs.",
    )
    return error_response(
        status=status, code=code, message=message or standard, fix=fix, headers=headers
    )


def register_error_handlers(api: NinjaAPI) -> None:
    api.add_exception_handler(AgnesError, _agnes_error)
    api.add_exception_handler(ValidationError, _validation_error)
    api.add_exception_handler(HttpError, _http_error)
    api.add_exception_handler(Http404, lambda request, error: plain_error_response(404))
    api.add_exception_handler(PermissionDenied, lambda request, error: plain_error_response(403))
    api.add_exception_handler(Exception, _unexpected_error)


def _agnes_error(request: HttpRequest, error: AgnesError | type[AgnesError]) -> JsonResponse:
    assert isinstance(error, AgnesError)
    if is_disk_full(error):
        return _unexpected_error(request, error)
    headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else {}
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    return error_response(
        status=error.status,
        code=error.code,
        message=error.message,
        fix=error.fix,
        details=error.details,
        headers=headers,
    )


def _validation_error(
    request: HttpRequest, error: ValidationError | type[ValidationError]
) -> JsonResponse:
    assert isinstance(error, ValidationError)
    problems = [
        {"where": ".".join(map(str, problem["loc"])), "problem": problem["msg"]}
        for problem in error.errors
    ]
    first = f"{problems[0]['where']}: {problems[0]['problem']}" if problems else "no details"
    return error_response(
        status=422,
        code="invalid_request",
        message=f"The request has a value Agnes cannot use: {first}.",
        fix="Correct the values named in details; see /api/docs.",
        details={"problems": problems},
    )


def _http_error(request: HttpRequest, error: HttpError | type[HttpError]) -> JsonResponse:
    assert isinstance(error, HttpError)
    if error.status_code == 401:
        return plain_error_response(401, headers={"WWW-Authenticate": "Bearer"})
    return plain_error_response(error.status_code, message=f"{error}".rstrip(".") + ".")


def _unexpected_error(request: HttpRequest, error: Exception | type[Exception]) -> JsonResponse:
    if is_disk_full(error):  # type: ignore[arg-type]
        logger.error("%s %s failed: no space is left", request.method, request.path)
        return plain_error_response(507)
    logger.error("%s %s failed", request.method, request.path, exc_info=error)  # type: ignore[arg-type]
    return plain_error_response(500)


class ApiErrorsMiddleware:
    """Puts errors made outside the API's handlers (unknown path, method) in the envelope."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if response.status_code < 400 or not request.path.startswith(API_PREFIX):
            return response
        if response.headers.get("Content-Type", "").startswith("application/json"):
            return response
        kept = {name: response.headers[name] for name in ("Allow",) if name in response.headers}
        return plain_error_response(response.status_code, headers=kept)
