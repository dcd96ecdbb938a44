"""What a route answers besides its usual answer, for the OpenAPI description.

What every route may answer is added in one place, agnes_project.api_description.
"""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

ERROR_REF = "#/components/schemas/Error"
TEXT_TYPES = ("text/", "application/json", "application/x-ndjson")


def answers(*statuses: int, types: Iterable[str] = (), body: Any = None) -> dict[str, Any]:
    """The `openapi_extra` of a route: the refusals it makes itself, the content types of its 200
    where that is a file, and its request body where the route reads that itself."""
    responses: dict[int, Any] = {status: described(status) for status in statuses}
    files = {kind: {"schema": _file(kind)} for kind in types}
    if files:
        responses[200] = {"content": files}
    return {"responses": responses} | ({"requestBody": body} if body else {})


def described(status: int) -> dict[str, Any]:
    """A response without a body up to 399, with the error envelope from 400 on."""
    told: dict[str, Any] = {"description": HTTPStatus(status).phrase}
    if status >= 400:
        told["content"] = {"application/json": {"schema": {"$ref": ERROR_REF}}}
    return told


def _file(kind: str) -> dict[str, str]:
    return {"type": "string"} | ({} if kind.startswith(TEXT_TYPES) else {"format": "binary"})
