"""A server on this machine that speaks the Messages API, well or badly, as a test scripts it."""

import json
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    529: "overloaded_error",
}
USAGE = {
    "input_tokens": 120,
    "output_tokens": 40,
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": 3000,
}
Step = Callable[["_Handler"], None]


@dataclass(frozen=True)
class Received:
    path: str
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass
class MessagesServer:
    """`steps` are taken one by one; after the last, `default` answers. `key` is the one it takes;
    empty: any."""

    url: str = ""
    key: str = ""
    received: list[Received] = field(default_factory=list)
    steps: deque[Step] = field(default_factory=deque)
    default: Step | None = None
    stopping: threading.Event = field(default_factory=threading.Event)

    def then(self, *steps: Step) -> None:
        self.steps.extend(steps)


@contextmanager
def messages_server() -> Iterator[MessagesServer]:
    server = MessagesServer()

    class Handler(_Handler):
        script = server

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    # What still hangs when a test ends, ends by `stopping`.
    httpd.daemon_threads = False
    server.url = f"http://127.0.0.1:{httpd.server_address[1]}"
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.stopping.set()
        httpd.shutdown()
        thread.join()
        httpd.server_close()


class _Handler(BaseHTTPRequestHandler):
    script: MessagesServer

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        self.script.received.append(
            Received(self.path, {k.lower(): v for k, v in self.headers.items()}, json.loads(raw))
        )
        if self.script.key and self.headers["Authorization"] != f"Bearer {self.script.key}":
            return fails(401)(self)
        step = self.script.steps.popleft() if self.script.steps else self.script.default
        if step is None:
            return fails(500)(self)
        with suppress(OSError):
            return step(self)

    def send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"content-type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("request-id", "req_local")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the tests read `received`."""


def message(text: str, *, stop: str = "end_turn", model: str = "claude-haiku-4-5") -> bytes:
    """A whole response; its first block is thinking, as models do by default."""
    return json.dumps(
        {
            "id": "msg_local",
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": [
                {"type": "thinking", "thinking": "…", "signature": "s"},
                {"type": "text", "text": text},
            ],
            "stop_reason": stop,
            "stop_sequence": None,
            "usage": USAGE,
        }
    ).encode()


def answers(answer: dict[str, Any] | str, *, stop: str = "end_turn") -> Step:
    """A response whose text is this answer."""
    text = answer if isinstance(answer, str) else json.dumps(answer)
    return lambda handler: handler.send(200, message(text, stop=stop))


def sends(body: bytes, *, content_type: str = "application/json") -> Step:
    """A response with status 200 and just these bytes."""
    return lambda handler: handler.send(200, body, {"content-type": content_type})


def fails(status: int, **headers: str) -> Step:
    """An error of the API; its message shows the request's key, as a careless gateway might."""

    def step(handler: _Handler) -> None:
        error = {"type": ERROR_TYPES[status], "message": str(handler.headers["Authorization"])}
        body = json.dumps({"type": "error", "error": error, "request_id": "req_local"}).encode()
        handler.send(
            status, body, {name.replace("_", "-"): value for name, value in headers.items()}
        )

    return step


def drops() -> Step:
    """The connection closed without an answer."""
    return lambda handler: handler.connection.shutdown(socket.SHUT_RDWR)


def breaks_off(body: bytes) -> Step:
    """A response whose second half never comes."""

    def step(handler: _Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body[: len(body) // 2])
        handler.connection.shutdown(socket.SHUT_RDWR)

    return step


def hangs() -> Step:
    """Nothing, until the test ends."""

    def step(handler: _Handler) -> None:
        handler.script.stopping.wait(30)

    return step


def trickles(every: float = 0.05) -> Step:
    """A response byte by byte, each before a read of the client could time out, without an end."""

    def step(handler: _Handler) -> None:
        handler.send_response(200)
        handler.send_header("content-type", "application/json")
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        while not handler.script.stopping.is_set():
            handler.wfile.write(b" ")
            time.sleep(every)

    return step
