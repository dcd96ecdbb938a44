"""One typed answer of a language model; the only module that speaks to the Messages API.

The deadline is our own: the SDK would wait out any Retry-After it is told, and its time-outs are
for single reads, which an answer that trickles never exceeds.
"""

import json
import logging
import os
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from django.conf import settings
from pydantic import BaseModel, ValidationError

from telemetry import prices
from telemetry.ask.provider_errors import (
    MOST_WAIT,
    BadAnswer,
    ModelTimedOut,
    ModelUnavailable,
    NotConfigured,
    ProviderError,
    TruncatedAnswer,
    error_for_status,
    is_free,
    is_worth_another_try,
)

if TYPE_CHECKING:
    import anthropic

logger = logging.getLogger(__name__)
Answer = TypeVar("Answer", bound=BaseModel)

CONNECT_SECONDS = 3.0
ATTEMPTS = 2
PAUSE = 0.5
"""Seconds before the second attempt, when the answer names no other."""
MOST_BYTES = 2 * 1024**2
"""Of a response; a real one has some kilobytes."""


@dataclass(frozen=True)
class Turn:
    """One message of a conversation."""

    role: Literal["user", "assistant"]
    text: str


@dataclass(frozen=True)
class ModelRequest(Generic[Answer]):
    """What to ask. `instructions` stay the same from question to question, so that the provider
    may cache them; `context` follows them and may change with each.

    `answer` is the shape of the answer: a pydantic model that forbids extra fields, without
    defaults, limits on length or recursion, which structured output does not know.
    """

    instructions: str
    turns: tuple[Turn, ...]
    answer: type[Answer]
    context: str = ""
    # Thinking counts as well.
    max_tokens: int = 4096


@dataclass
class Spent:
    """What a request used, also when it ends in an error; it grows while the model is asked.

    `sent_bytes` are those of all attempts, each counted before it is sent. `model` is the one that
    is asked until a response names its own. `cost_usd` is None where it is not known: without a
    price, or without a response that tells its tokens. A request that is turned down costs nothing.
    """

    model: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    cache_creation_tokens: int = 0
    cache_read_tokens: int = 0
    cost_usd: float | None = 0.0
    sent_bytes: int = 0


@dataclass(frozen=True)
class Completion(Generic[Answer]):
    """`answer` is None when the model's safety rules refused. `cost_usd` is None for a model
    without a known price; `input_tokens` are those that no cache gave."""

    answer: Answer | None
    model: str
    request_id: str
    input_tokens: int
    output_tokens: int
    cache_creation_tokens: int
    cache_read_tokens: int
    cost_usd: float | None
    sent_bytes: int


@dataclass(frozen=True)
class Provider:
    """Where to ask, and which model. Instances show no key."""

    key: str = field(repr=False)
    base_url: str
    model: str
    effort: str
    """How much a model may think: low, medium or high; none for models that know no effort."""
    seconds: float
    """For an answer, with all attempts."""

    @classmethod
    def from_settings(cls) -> "Provider":
        return cls(
            key=settings.AGNES_ANTHROPIC_API_KEY,
            base_url=settings.AGNES_ANTHROPIC_BASE_URL,
            model=settings.AGNES_ASK_MODEL,
            effort=settings.AGNES_ASK_EFFORT,
            seconds=settings.AGNES_ASK_SECONDS,
        )

    @property
    def is_configured(self) -> bool:
        return bool(self.key)

    def body(self, request: ModelRequest[Any]) -> dict[str, Any]:
        """Exactly what would be sent, as JSON values."""
        cached = {"type": "text", "text": request.instructions}
        system = [{**cached, "cache_control": {"type": "ephemeral"}}]
        if request.context:
            system.append({"type": "text", "text": request.context})
        format = {"type": "json_schema", "schema": request.answer.model_json_schema()}
        effort = {} if self.effort == "none" else {"effort": self.effort}
        return {
            "model": self.model,
            "max_tokens": request.max_tokens,
            "system": system,
            "messages": [{"role": turn.role, "content": turn.text} for turn in request.turns],
            "output_config": {**effort, "format": format},
        }

    def complete(
        self,
        request: ModelRequest[Answer],
        *,
        seconds: float | None = None,
        spent: Spent | None = None,
    ) -> Completion[Answer]:
        """The model's answer within `seconds`, by default the provider's own.

        A new `spent` is filled, also when this raises.

        Raises a ProviderError: NotConfigured, BadCredentials, RateLimited, RequestRefused,
        ModelUnavailable, ModelTimedOut, BadAnswer, TruncatedAnswer.
        """
        self.check_configured()
        import anthropic  # takes more than a second, which no other page shall wait
        import httpx2

        body = self.body(request)
        size = len(_json(body))
        spent = Spent() if spent is None else spent
        spent.model = self.model
        ends = time.monotonic() + (self.seconds if seconds is None else seconds)
        for attempt in range(1, ATTEMPTS + 1):
            spent.sent_bytes += size
            spent.cost_usd = None
            try:
                raw, request_id = self._attempt(anthropic, httpx2.HTTPError, body, ends)
                return _completion(request.answer, raw, request_id, spent)
            except ProviderError as error:
                if is_free(error):
                    spent.cost_usd = 0.0
                pause = max(PAUSE, error.retry_after or 0)
                late = time.monotonic() + pause >= ends
                if attempt == ATTEMPTS or late or not is_worth_another_try(error):
                    raise
                logger.info("asking the model again in %s s: %s", pause, error.code)
                time.sleep(pause)
        raise AssertionError("the last attempt returns or raises")

    def check_configured(self) -> None:
        """Raises NotConfigured, or BadCredentials for a key that is no header value, which the
        HTTP library's error would show."""
        if not self.key:
            raise NotConfigured
        if not (self.key.isascii() and self.key.isprintable()):
            raise error_for_status(401)

    def _attempt(
        self, sdk: Any, broken_off: type[Exception], body: dict[str, Any], ends: float
    ) -> tuple[bytes, str]:
        """The body of the response and the request's id. The SDK passes on what breaks off a
        body as the HTTP library's own error."""
        seconds = max(ends - time.monotonic(), 0.001)
        # The SDK would send headers along that no setting of ours and no preview names.
        os.environ.pop("ANTHROPIC_CUSTOM_HEADERS", None)
        client = sdk.Anthropic(
            api_key=self.key,
            base_url=self.base_url,
            timeout=sdk.Timeout(seconds, connect=min(CONNECT_SECONDS, seconds)),
            max_retries=0,
            open_telemetry=False,
        )
        try:
            return _within(seconds, lambda: _response_of(client, body))
        except (sdk.AnthropicError, broken_off, OSError, ValueError) as error:
            # Without its cause: the SDK's errors carry the request, and with it the key.
            raise _typed(sdk, error) from None
        finally:
            client.close()


@cache
def warm_up() -> None:
    """Begin to import the SDK, once in a process, so that the first question need not wait."""
    threading.Thread(target=_import_sdk, name="model-import", daemon=True).start()


def _import_sdk() -> None:
    import anthropic  # noqa: F401


def _within(seconds: float, work: Callable[[], tuple[bytes, str]]) -> tuple[bytes, str]:
    """What `work` returns or raises; ModelTimedOut when it takes longer.

    Work that is given up ends by itself with its next read, as its client is closed.
    """
    done: queue.SimpleQueue[tuple[bytes, str] | BaseException] = queue.SimpleQueue()

    def run() -> None:
        try:
            done.put(work())
        except BaseException as error:  # handed to the thread that waits
            done.put(error)

    threading.Thread(target=run, name="model-answer", daemon=True).start()
    try:
        outcome = done.get(timeout=seconds)
    except queue.Empty:
        raise ModelTimedOut from None
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


def _response_of(client: "anthropic.Anthropic", body: dict[str, Any]) -> tuple[bytes, str]:
    with client.messages.with_streaming_response.create(**body) as response:
        parts, size = [], 0
        for part in response.iter_bytes():
            parts.append(part)
            size += len(part)
            if size > MOST_BYTES:
                raise BadAnswer("is too large")
        return b"".join(parts), response.headers.get("request-id", "")


def _typed(sdk: Any, error: Exception) -> ProviderError:
    """Our own error; the order matters, as a time-out is a connection error too."""
    if isinstance(error, sdk.APITimeoutError):
        return ModelTimedOut()
    if isinstance(error, sdk.APIStatusError):
        logger.warning(
            "the model's provider answered %s %s (request %s)",
            error.status_code,
            error.type,
            error.request_id,
        )
        return error_for_status(error.status_code, _retry_after(error.response.headers))
    logger.warning("the model's provider cannot be reached: %s", type(error).__name__)
    return ModelUnavailable()


def _retry_after(headers: Any) -> int | None:
    """Seconds, at most MOST_WAIT; None when nothing usable is said."""
    text = headers.get("retry-after", "").strip()
    return min(int(text), MOST_WAIT) if text.isascii() and text.isdigit() else None


def _completion(
    shape: type[Answer], raw: bytes, request_id: str, spent: Spent
) -> Completion[Answer]:
    """Counts the response's tokens in `spent` before it looks at the answer, as they are paid."""
    try:
        message = json.loads(raw)
    except ValueError:
        raise BadAnswer("is not JSON") from None
    if not isinstance(message, dict) or not isinstance(message.get("content"), list):
        raise BadAnswer("is not a message")
    _count(message, spent)
    stop = message.get("stop_reason")
    if stop in {"max_tokens", "model_context_window_exceeded"}:
        raise TruncatedAnswer
    return Completion(
        answer=None if stop == "refusal" else _parsed(shape, message["content"]),
        request_id=request_id,
        **asdict(spent),
    )


def _count(message: dict[str, Any], spent: Spent) -> None:
    spent.model = str(message.get("model") or spent.model)
    given, output, written, read = _usage(message.get("usage"))
    spent.input_tokens, spent.output_tokens = given, output
    spent.cache_creation_tokens, spent.cache_read_tokens = written, read
    now_ms = int(datetime.now(UTC).timestamp() * 1000)
    counts = given, output, written, written, 0, read
    spent.cost_usd = prices.cost_usd(spent.model, now_ms, counts)


def _parsed(shape: type[Answer], content: list[Any]) -> Answer:
    """Blocks are told by type: the first may be thinking."""
    blocks = [block for block in content if isinstance(block, dict)]
    text = "".join(str(block.get("text")) for block in blocks if block.get("type") == "text")
    try:
        return shape.model_validate_json(text)
    except ValidationError:
        raise BadAnswer("has not the shape that was asked for") from None


def _usage(usage: Any) -> tuple[int, int, int, int]:
    counts = usage if isinstance(usage, dict) else {}
    names = (
        "input_tokens",
        "output_tokens",
        "cache_creation_input_tokens",
        "cache_read_input_tokens",
    )
    given, output, written, read = (
        count if isinstance(count := counts.get(name), int) and count >= 0 else 0 for name in names
    )
    return given, output, written, read


def _json(body: dict[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
