"""Made-up transcript lines for tests of the store: small, but of the shape Claude Code writes."""

import json
from collections.abc import Iterable
from uuid import NAMESPACE_URL, uuid5


def session_of(name: str) -> str:
    """The same session id for the same name."""
    return str(uuid5(NAMESPACE_URL, name))


def line(session_id: str, number: int, text: str = "hello") -> bytes:
    """One typed prompt; its uuid follows from session and number."""
    return (
        json.dumps(
            {
                "type": "user",
                "uuid": session_of(f"{session_id} {number}"),
                "parentUuid": session_of(f"{session_id} {number - 1}") if number else None,
                "sessionId": session_id,
                "timestamp": f"2026-03-01T10:{number // 60 % 60:02}:{number % 60:02}.000Z",
                "version": "2.1.240",
                "cwd": "/home/ada/till",
                "message": {"role": "user", "content": text},
            }
        ).encode()
        + b"\n"
    )


def transcript(session_id: str, numbers: Iterable[int]) -> bytes:
    return b"".join(line(session_id, number) for number in numbers)
