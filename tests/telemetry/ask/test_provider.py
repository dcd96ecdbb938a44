"""Asking a language model: a real SDK against a real server that behaves well and badly."""

import json
import logging
import time
from dataclasses import replace
from typing import Literal

import anthropic
import pytest
from pydantic import BaseModel, ConfigDict

from telemetry.ask import provider_errors as errors
from telemetry.ask.provider import Completion, ModelRequest, Provider, Spent, Turn
from tests.telemetry.ask.conftest import KEY
from tests.telemetry.ask.messages_server import (
    MessagesServer,
    Step,
    answers,
    breaks_off,
    drops,
    fails,
    hangs,
    message,
    sends,
    trickles,
)


class Verdict(BaseModel):
    """A shape of its own, as another caller would bring one."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["fine", "bad"]
    why: str | None


GOOD = {"kind": "fine", "why": None}
REQUEST = ModelRequest(
    instructions="Judge the text.",
    context="It is Monday.",
    turns=(Turn("user", "Is žluťoučký fine?"),),
    answer=Verdict,
)


def complete(*, seconds: float = 10) -> Completion[Verdict]:
    return Provider.from_settings().complete(REQUEST, seconds=seconds)


def test_the_answer_is_typed_and_carries_tokens_and_cost(server: MessagesServer) -> None:
    server.then(answers(GOOD))
    done = complete()
    assert done.answer == Verdict(kind="fine", why=None)
    assert (done.model, done.request_id) == ("claude-haiku-4-5", "req_local")
    assert (done.input_tokens, done.output_tokens, done.cache_read_tokens) == (120, 40, 3000)
    # 120 at $1, 40 at $5 and 3,000 at $0.10 for a million.
    assert done.cost_usd == pytest.approx(0.00062)
    assert done.sent_bytes > 300


def test_what_is_sent_is_exactly_what_body_shows(server: MessagesServer) -> None:
    server.then(answers(GOOD))
    complete()
    [request] = server.received
    assert request.path == "/v1/messages"
    assert request.body == Provider.from_settings().body(REQUEST)


def test_the_stable_part_is_marked_for_the_cache_and_stands_first(server: MessagesServer) -> None:
    first, second = Provider.from_settings().body(REQUEST)["system"]
    assert first["text"] == "Judge the text."
    assert first["cache_control"] == {"type": "ephemeral"}
    assert second == {"type": "text", "text": "It is Monday."}


def test_the_shape_is_one_that_structured_output_takes() -> None:
    format = Provider.from_settings().body(REQUEST)["output_config"]["format"]
    assert format["type"] == "json_schema"
    # The SDK's own, which only moves choices into the description, as the API takes them too.
    strict = anthropic.transform_schema(Verdict)
    same = ("type", "required", "additionalProperties")
    assert {name: format["schema"][name] for name in same} == {name: strict[name] for name in same}
    assert format["schema"]["properties"]["why"] == strict["properties"]["why"]
    assert format["schema"]["properties"]["kind"]["enum"] == ["fine", "bad"]


def test_headers_of_the_environment_that_no_setting_names_are_not_sent(
    server: MessagesServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", "X-Planted: of the shell\nAuthorization: other")
    server.then(answers(GOOD))
    complete()
    [request] = server.received
    assert "x-planted" not in request.headers
    assert request.headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    ("steps", "requests", "tokens", "cost"),
    [
        ([fails(400)], 1, 0, 0.0),
        ([fails(500), fails(500)], 2, 0, 0.0),
        ([drops(), fails(401)], 2, 0, 0.0),
        ([answers('{"kind": "fi', stop="max_tokens")], 1, 40, 0.00062),
        ([fails(500), answers({"kind": "neither"})], 2, 40, 0.00062),
        ([sends(b"<html>")], 1, 0, None),
    ],
)
def test_an_error_leaves_what_was_sent_and_paid(
    server: MessagesServer,
    steps: list[Step],
    requests: int,
    tokens: int,
    cost: float | None,
) -> None:
    server.then(*steps)
    spent = Spent()
    with pytest.raises(errors.ProviderError):
        Provider.from_settings().complete(REQUEST, seconds=10, spent=spent)
    assert len(server.received) == requests
    size = sum(int(request.headers["content-length"]) for request in server.received)
    assert (spent.sent_bytes, spent.output_tokens) == (size, tokens)
    assert spent.cost_usd == (None if cost is None else pytest.approx(cost))
    assert spent.model == ("claude-haiku-4-5" if tokens else Provider.from_settings().model)


def test_both_attempts_are_counted_when_the_second_is_answered(server: MessagesServer) -> None:
    server.then(answers(GOOD), fails(500), answers(GOOD))
    once, twice = complete(), complete()
    assert twice.sent_bytes == 2 * once.sent_bytes
    assert twice.cost_usd == once.cost_usd


def test_effort_none_leaves_the_effort_out() -> None:
    provider = replace(Provider.from_settings(), effort="none")
    assert set(provider.body(REQUEST)["output_config"]) == {"format"}


def test_no_key_is_said_without_a_request(server: MessagesServer) -> None:
    provider = replace(Provider.from_settings(), key="")
    with pytest.raises(errors.NotConfigured, match="Set AGNES_ANTHROPIC_API_KEY"):
        provider.complete(REQUEST)
    assert server.received == []


@pytest.mark.parametrize(
    ("status", "error", "answered"),
    [
        (400, errors.RequestRefused, 502),
        (401, errors.BadCredentials, 503),
        (402, errors.BadCredentials, 503),
        (403, errors.BadCredentials, 503),
        (404, errors.RequestRefused, 502),
        (413, errors.RequestRefused, 502),
    ],
)
def test_what_no_second_attempt_mends_is_asked_once(
    server: MessagesServer, status: int, error: type[errors.ProviderError], answered: int
) -> None:
    server.then(fails(status), answers(GOOD))
    with pytest.raises(error) as caught:
        complete()
    assert caught.value.status == answered
    assert len(server.received) == 1


@pytest.mark.parametrize("trouble", [fails(500), fails(529), drops(), breaks_off(message("{}"))])
def test_one_passing_trouble_is_bridged(server: MessagesServer, trouble: object) -> None:
    server.then(trouble, answers(GOOD))  # type: ignore[arg-type]
    assert complete().answer is not None
    assert len(server.received) == 2


@pytest.mark.parametrize("trouble", [fails(500), drops()])
def test_lasting_trouble_ends_after_two_attempts(server: MessagesServer, trouble: object) -> None:
    server.default = trouble  # type: ignore[assignment]
    with pytest.raises(errors.ModelUnavailable) as caught:
        complete()
    assert caught.value.status == 503
    assert len(server.received) == 2


def test_a_server_that_is_not_there_is_unavailable(server: MessagesServer) -> None:
    provider = replace(Provider.from_settings(), base_url="http://127.0.0.1:9")
    with pytest.raises(errors.ModelUnavailable):
        provider.complete(REQUEST, seconds=5)


def test_a_long_retry_after_is_told_and_not_waited_for(server: MessagesServer) -> None:
    server.then(fails(429, retry_after="3600"))
    began = time.monotonic()
    with pytest.raises(errors.RateLimited, match="Ask again in 60 s") as caught:
        complete()
    assert (caught.value.status, caught.value.retry_after) == (429, 60)
    assert time.monotonic() - began < 9
    assert len(server.received) == 1


def test_a_short_retry_after_is_waited_for(server: MessagesServer) -> None:
    server.then(fails(429, retry_after="1"), answers(GOOD))
    assert complete().answer is not None


@pytest.mark.parametrize("slow", [hangs(), trickles()])
def test_the_deadline_holds_for_silence_and_for_a_trickle(
    server: MessagesServer, slow: object
) -> None:
    server.default = slow  # type: ignore[assignment]
    began = time.monotonic()
    with pytest.raises(errors.ModelTimedOut) as caught:
        complete(seconds=0.6)
    assert caught.value.status == 503
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "body",
    [
        b"<html>Proxy login</html>",
        b"",
        message("x")[:-40],
        b"[]",
        b"null",
        b'{"content": "text", "stop_reason": "end_turn"}',
        b'{"content": [], "stop_reason": "end_turn"}',
        b'{"content": [null, {"type": "text"}], "stop_reason": "end_turn"}',
        b"\xff\xfe",
        message('{"kind": "fine", "why": '),
        message('{"kind": "other", "why": null}'),
        message('{"kind": "fine", "why": null, "more": 1}'),
        message("[1, 2]"),
        message("Sure! Here it is."),
    ],
)
def test_whatever_is_no_answer_is_a_bad_answer(server: MessagesServer, body: bytes) -> None:
    server.then(sends(body))
    with pytest.raises(errors.BadAnswer) as caught:
        complete()
    assert caught.value.status == 502


def test_an_endless_answer_is_given_up(server: MessagesServer) -> None:
    server.then(sends(b" " * 3_000_000))
    with pytest.raises(errors.BadAnswer, match="too large"):
        complete()


def test_a_cut_off_answer_is_told_from_a_bad_one(server: MessagesServer) -> None:
    server.then(answers('{"kind": "fi', stop="max_tokens"))
    with pytest.raises(errors.TruncatedAnswer) as caught:
        complete()
    assert caught.value.status == 502


def test_a_refusal_is_an_outcome_and_no_error(server: MessagesServer) -> None:
    server.then(answers("", stop="refusal"))
    done = complete()
    assert done.answer is None
    assert done.output_tokens == 40


@pytest.mark.parametrize("trouble", [fails(401), fails(429, retry_after="9"), fails(500), drops()])
def test_the_key_is_in_no_error_and_no_log(
    server: MessagesServer, trouble: object, caplog: pytest.LogCaptureFixture
) -> None:
    server.default = trouble  # type: ignore[assignment]
    with caplog.at_level(logging.INFO), pytest.raises(errors.ProviderError) as caught:
        complete(seconds=2)
    chain = [str(caught.value), repr(caught.value.__cause__), json.dumps(caught.value.details)]
    assert KEY not in "".join(chain) + caplog.text
    assert KEY not in repr(Provider.from_settings())


@pytest.mark.parametrize("key", ["sk-with\nnewline", "sk-žluťoučký", "sk-\x00"])
def test_a_key_that_is_no_header_value_is_not_shown(
    server: MessagesServer, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    provider = replace(Provider.from_settings(), key=key)
    with pytest.raises(errors.BadCredentials) as caught:
        provider.complete(REQUEST)
    assert key not in str(caught.value) + caplog.text
    assert server.received == []
