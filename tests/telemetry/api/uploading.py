"""Uploading in tests: a small transcript, a client with a token, an error's envelope."""

from collections.abc import Callable
from typing import Any

from django.test import Client
from django.utils import timezone

from accounts.models import AuditEvent, User
from accounts.tokens import issue_token
from tests.telemetry.transcript_lines import session_of, transcript

SID = session_of("upload")

NAME = f"{SID}.jsonl"

CONTENT = transcript(SID, range(10))

Upload = Callable[..., Any]


def token(user: User, *scopes: str) -> str:
    _, text = issue_token(
        by=user,
        user=user,
        name="laptop",
        scopes=list(scopes),
        now=timezone.now(),
        door=AuditEvent.Door.API,
    )
    return text


def uploader(text: str) -> Upload:
    client = Client()

    def send(
        body: bytes = CONTENT,
        *,
        name: str | None = NAME,
        type: str = "application/x-ndjson",
        encoding: str | None = None,
        **query: object,
    ) -> Any:
        headers = {"Authorization": f"Bearer {text}"}
        if encoding:
            headers["Content-Encoding"] = encoding
        asked = query | ({"name": name} if name is not None else {})
        return client.post(
            "/api/sessions",
            body,
            content_type=type,
            headers=headers,
            query_params={key: str(value) for key, value in asked.items()},
        )

    return send


def error(response: Any, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.content
    told: dict[str, Any] = response.json()["error"]
    assert told["fix"]
    return told
