"""What can go wrong with a language model. No error carries the key or what the provider wrote."""

from typing import ClassVar

from accounts.errors import AgnesError

MOST_WAIT = 60
"""Seconds that people are told to wait at most, whatever a provider says."""

KEY = "AGNES_ANTHROPIC_API_KEY"


class ProviderError(AgnesError):
    """No usable answer came from the model."""

    status: ClassVar[int] = 502


class NotConfigured(ProviderError):
    code: ClassVar[str] = "ask_not_configured"
    status: ClassVar[int] = 503

    def __init__(self) -> None:
        super().__init__(
            "No language model is configured.",
            fix=f"Set {KEY} and restart Agnes; verified questions run without it.",
        )


class BadCredentials(ProviderError):
    code: ClassVar[str] = "llm_credentials"
    status: ClassVar[int] = 503

    def __init__(self) -> None:
        super().__init__(
            "The language model's provider does not accept the key.",
            fix=f"Check {KEY}, its permissions and its account's balance.",
        )


class RateLimited(ProviderError):
    """`retry_after` is in seconds, at most MOST_WAIT."""

    code: ClassVar[str] = "llm_rate_limited"
    status: ClassVar[int] = 429

    def __init__(self, retry_after: int | None = None) -> None:
        wait = MOST_WAIT if retry_after is None else retry_after
        super().__init__(
            "The language model's provider takes no more questions right now.",
            fix=f"Ask again in {wait} s.",
        )
        self.retry_after = wait


class RequestRefused(ProviderError):
    code: ClassVar[str] = "llm_bad_request"

    def __init__(self, status: int) -> None:
        super().__init__(
            f"The language model's provider refused the request with status {status}.",
            fix="Check AGNES_ASK_MODEL, AGNES_ASK_EFFORT and AGNES_ANTHROPIC_BASE_URL.",
        )


class ModelUnavailable(ProviderError):
    code: ClassVar[str] = "llm_unavailable"
    status: ClassVar[int] = 503

    def __init__(self) -> None:
        super().__init__(
            "The language model cannot be reached.",
            fix="Try again in a minute; check AGNES_ANTHROPIC_BASE_URL if it stays so.",
        )


class ModelTimedOut(ProviderError):
    code: ClassVar[str] = "llm_timeout"
    status: ClassVar[int] = 503

    def __init__(self) -> None:
        super().__init__(
            "The language model did not answer in time.",
            fix="Try again; raise AGNES_ASK_SECONDS if it stays so.",
        )


class BadAnswer(ProviderError):
    code: ClassVar[str] = "llm_bad_output"

    def __init__(self, problem: str) -> None:
        super().__init__(
            f"The language model's answer {problem}.",
            fix="Try again, or ask in other words.",
        )


class TruncatedAnswer(ProviderError):
    code: ClassVar[str] = "llm_truncated"

    def __init__(self) -> None:
        super().__init__(
            "The language model's answer was cut off.", fix="Ask something narrower, or ask again."
        )


def error_for_status(status: int, retry_after: int | None = None) -> ProviderError:
    """The error for an HTTP status of the provider."""
    if status in {401, 402, 403}:
        return BadCredentials()
    if status == 429:
        return RateLimited(retry_after)
    if status in {408, 409} or status >= 500:
        return ModelUnavailable()
    return RequestRefused(status)


def is_free(error: ProviderError) -> bool:
    """Whether the provider took no work on, and bills nothing."""
    return isinstance(error, BadCredentials | RateLimited | RequestRefused | ModelUnavailable)


def is_worth_another_try(error: ProviderError) -> bool:
    """Whether the same request may well succeed in a moment."""
    return isinstance(error, ModelUnavailable | RateLimited)
