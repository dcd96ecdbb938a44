"""Talking to the server: one connection a thread, typed errors, nothing followed elsewhere."""

from __future__ import annotations

import http.client
import json
import random
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, Union
from urllib.parse import quote, urlencode, urlsplit

from agnes_cli import __version__
from agnes_cli.credentials import Credentials
from agnes_cli.errors import ClientError, NotSignedIn, Refused, TryLater

TIMEOUT = 60.0
LONGEST_WAIT = 20.0
ATTEMPTS = 4
MOST_ERROR_BYTES = 1024**2
TRANSIENT = frozenset({408, 421, 423, 425, 429, 500, 502, 503, 504, 507})

Body = Union[bytes, IO[bytes], None]
Query = dict[str, object]


class Server:
    """One server; not to be shared between threads."""

    def __init__(self, credentials: Credentials, *, timeout: float = TIMEOUT) -> None:
        self.credentials = credentials
        self.timeout = timeout
        parts = urlsplit(credentials.url)
        self._base = parts.path.rstrip("/")
        self._parts = parts
        self._connection: http.client.HTTPConnection | None = None

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._connection:
            self._connection.close()
            self._connection = None

    def get(self, path: str, query: Query | None = None) -> Any:
        return self.ask("GET", path, query)

    def ask(
        self,
        method: str,
        path: str,
        query: Query | None = None,
        data: object = None,
        *,
        body: Body = None,
        headers: dict[str, str] | None = None,
        attempts: int = ATTEMPTS,
    ) -> Any:
        """The JSON of the answer, None for an empty one. `data` is sent as JSON, `body` as it is.

        Transient failures are tried again, `attempts` times in all: everything the client asks for
        may be asked twice. Raises NotSignedIn, Refused or TryLater.
        """
        sent = dict(headers or {})
        if data is not None:
            body = json.dumps(data).encode()
            sent["Content-Type"] = "application/json"
        for attempt in range(1, attempts + 1):
            try:
                with self.answer(method, path, query, body=body, headers=sent) as response:
                    return _json(self._read(response))
            except TryLater as error:
                if attempt == attempts:
                    raise
                time.sleep(_pause(attempt, error.wait))
        raise AssertionError("there is at least one attempt")

    @contextmanager
    def answer(
        self,
        method: str,
        path: str,
        query: Query | None = None,
        *,
        body: Body = None,
        headers: dict[str, str] | None = None,
    ) -> Iterator[http.client.HTTPResponse]:
        """A successful answer, to be read while it arrives. Raises as `ask` does."""
        complete = False
        response = self._send(method, path, query, body, headers or {})
        try:
            if response.status >= 300:
                raise failure(response.status, response.headers, self._read(response))
            yield response
            complete = response.isclosed()
        finally:
            if not complete:
                self.close()

    def _send(
        self, method: str, path: str, query: Query | None, body: Body, headers: dict[str, str]
    ) -> http.client.HTTPResponse:
        asked = {name: value for name, value in (query or {}).items() if value not in (None, "")}
        target = self._base + quote(path) + (f"?{urlencode(asked)}" if asked else "")
        sent = {
            "Authorization": f"Bearer {self.credentials.token}",
            "User-Agent": f"agnes-cli/{__version__}",
            "Accept": "*/*",
            **headers,
        }
        if body is not None and not isinstance(body, bytes):
            body.seek(0)
        try:
            if self._connection is None:
                self._connection = self._connect()
            self._connection.request(method, target, body=body, headers=sent)
            return self._connection.getresponse()
        except ssl.SSLCertVerificationError as error:
            self.close()
            raise ClientError(
                f"The certificate of {self._parts.hostname} is not trusted: "
                f"{error.verify_message}.",
                fix="Set SSL_CERT_FILE to your organisation's certificates.",
                code="untrusted_certificate",
            ) from error
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise self._away(error) from error

    def _read(self, response: http.client.HTTPResponse) -> bytes:
        try:
            return response.read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise self._away(error) from error

    def _away(self, error: Exception) -> TryLater:
        return TryLater(
            f"{self.credentials.url} cannot be reached: {error or type(error).__name__}.",
            fix="It is tried again with the next push; or check the network.",
            code="unreachable",
        )

    def _connect(self) -> http.client.HTTPConnection:
        host, port = self._parts.hostname or "", self._parts.port
        secure = self._parts.scheme == "https"
        proxy = _proxy(self._parts.scheme, host)
        if not secure:
            if proxy:
                raise ClientError(
                    "A proxy is not used for unencrypted addresses.",
                    fix=f"Add {host} to NO_PROXY, or use https.",
                )
            return http.client.HTTPConnection(host, port, timeout=self.timeout)
        context = ssl.create_default_context()
        if not proxy:
            return http.client.HTTPSConnection(host, port, timeout=self.timeout, context=context)
        through = urlsplit(proxy if "//" in proxy else f"//{proxy}")
        connection = http.client.HTTPSConnection(
            through.hostname or "", through.port, timeout=self.timeout, context=context
        )
        connection.set_tunnel(host, port)
        return connection


def failure(status: int, headers: Any, body: bytes) -> ClientError:
    """The error an answer stands for, in the server's own words where it has some."""
    told = _envelope(body)
    message = str(told.get("message") or f"The server answered {status}.")
    fix = str(told.get("fix") or "Look at the server's log, or try again later.")
    code = str(told.get("code") or f"http_{status}")
    details = told.get("details") if isinstance(told.get("details"), dict) else {}
    if status == 401:
        return NotSignedIn(message, fix="Run: agnes login", code=code)
    if status in TRANSIENT or code == "still_changing":
        wait = headers.get("Retry-After") or ""
        seconds = min(float(wait), 3600.0) if wait.isdigit() else 0.0
        return TryLater(message, fix=fix, code=code, details=details, wait=seconds)
    if 300 <= status < 400:
        fix = f"Sign in with the address it points to: {headers.get('Location') or 'unknown'}"
        message = "The server is at another address."
    return Refused(message, fix=fix, code=code, details=details, status=status)


def _envelope(body: bytes) -> dict[str, Any]:
    try:
        told = json.loads(body[:MOST_ERROR_BYTES])["error"]
    except (ValueError, TypeError, KeyError):
        return {}
    return told if isinstance(told, dict) else {}


def _json(body: bytes) -> Any:
    if not body:
        return None
    try:
        return json.loads(body)
    except ValueError as error:
        raise Refused(
            "The answer is not that of an Agnes server.", fix="Check the address: agnes login"
        ) from error


def _pause(attempt: int, asked: float) -> float:
    """Seconds: doubling, with chance in it, so that many laptops do not come back together."""
    own = 0.25 * (1 << attempt) * random.uniform(0.5, 1.0)
    return min(max(asked, own), LONGEST_WAIT)


def _proxy(scheme: str, host: str) -> str:
    from urllib.request import getproxies, proxy_bypass  # slow to import

    return "" if proxy_bypass(host) else getproxies().get(scheme, "")
