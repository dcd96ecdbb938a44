"""A question to its answer: the one function behind the page, the API and the commands.

Whatever SQL there is, written by a model, by a person or kept under a name, passes the same guard
and runs in the same sandbox. Every question leaves a row of the history and of the audit trail.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Any

from django.http import HttpRequest

from accounts.errors import AgnesError
from accounts.models import AuditEvent, User
from telemetry import mirror
from telemetry.ask import guard, history
from telemetry.ask.allow_list import MAX_CHARACTERS
from telemetry.ask.answers import Answer
from telemetry.ask.conversation import (
    ModelAnswer,
    clean_question,
    clean_sentence,
    model_request,
    thread_before,
    with_refusal,
)
from telemetry.ask.provider import ModelRequest, Provider, Spent
from telemetry.ask.provider_errors import BadAnswer, ProviderError
from telemetry.ask.reading import tables_read
from telemetry.ask.refusal import SqlRefused
from telemetry.ask.verified import same_sql, verified_question, verified_questions
from telemetry.mirror import sandbox
from telemetry.mirror.query_errors import (
    QueryFailed,
    QueryRefused,
    QueryTimedOut,
    QueryTooLarge,
    SandboxBroken,
    TooManyQueries,
)
from telemetry.models import AskedQuestion

Origin, Outcome = AskedQuestion.Origin, AskedQuestion.Outcome
LEAST_FOR_REPAIR = 3.0
"""Seconds that must be left of the time for the model to ask it once more."""
MENDABLE = frozenset({"BinderException", "CatalogException", "ParserException"})
"""Errors of the engine that another SELECT may avoid, and that are about names."""
_OUTCOMES = {
    "clarify": Outcome.CLARIFY,
    "cannot_answer": Outcome.CANNOT_ANSWER,
    "refuse": Outcome.REFUSED,
}


@dataclass(frozen=True)
class Asker:
    """Who asks, by which door, and when; `user` is None for a command."""

    user: User | None
    door: AuditEvent.Door
    now: datetime
    request: HttpRequest | None = None

    def question(self, text: str, origin: AskedQuestion.Origin) -> AskedQuestion:
        return AskedQuestion(
            user=self.user, door=self.door, asked_at=self.now, text=text, origin=origin
        )


@dataclass(frozen=True)
class Preview:
    """What asking would send: `body`, as JSON values, to `address`."""

    address: str
    model: str
    body: dict[str, Any]

    @property
    def bytes(self) -> int:
        return len(json.dumps(self.body, ensure_ascii=False, separators=(",", ":")).encode())


def ask(question: str, *, asker: Asker, follows: int | None = None) -> Answer:
    """A model writes SQL for the question; the rows it gives, or why there are none.

    `follows` is an earlier question of the same person. Raises BadQuestion, UnknownQuestion, a
    ProviderError, MirrorUnavailable, TooManyQueries or SandboxBroken, the last three with `sql` and
    `rationale` in their details if there is SQL already; SQL that is refused, fails
    or takes too long is an answer that says so.
    """
    asked = asker.question(clean_question(question), Origin.GENERATED)
    asked.follows = history.own_question(follows, user=asker.user)
    with _kept(asked, asker):
        return _Conversation(asked, Provider.from_settings(), asker.now).answer()


def answer_unkept(question: str, *, provider: Provider, now: datetime) -> Answer:
    """As `ask`, but without a row of the history or the audit trail: for evaluation."""
    asked = AskedQuestion(
        text=clean_question(question), origin=Origin.GENERATED, asked_at=now, door=""
    )
    return _Conversation(asked, provider, now).answer()


def preview(question: str, *, asker: Asker, follows: int | None = None) -> Preview:
    """Exactly what `ask` would send, without sending it. Raises as `ask`, but no ProviderError."""
    text = clean_question(question)
    thread = thread_before(history.own_question(follows, user=asker.user))
    provider = Provider.from_settings()
    body = provider.body(model_request(text, thread, now=asker.now))
    return Preview(f"{provider.base_url}/v1/messages", provider.model, body)


def run_sql(sql: str, *, asker: Asker, text: str = "", follows: int | None = None) -> Answer:
    """The rows of SQL that a person wrote or changed; no model is asked. Raises as `ask`."""
    asked = asker.question(clean_question(text) if text.strip() else "", Origin.OWN)
    asked.follows = history.own_question(follows, user=asker.user)
    with _kept(asked, asker):
        return _execute(asked, sql)


def run_verified(id: str, *, asker: Asker) -> Answer:
    """The rows of a verified question. Raises UnknownQuestion, and as `ask`."""
    question = verified_question(id)
    asked = asker.question(question.text, Origin.VERIFIED)
    with _kept(asked, asker):
        return _execute(asked, question.sql)


def run_saved(pk: int, *, asker: Asker) -> Answer:
    """The rows of a saved question of the person's own, or a shared one. Raises as `ask`."""
    saved = history.saved_question(pk, user=asker.user)
    asked = asker.question(saved.text or saved.name, Origin.OWN)
    asked.rationale = saved.rationale
    with _kept(asked, asker):
        return _execute(asked, saved.sql)


@contextmanager
def _kept(asked: AskedQuestion, asker: Asker) -> Iterator[None]:
    """Stores how the question ended, also when it ended with an error, which passes."""
    began = monotonic()
    try:
        yield
    except AgnesError as error:
        asked.outcome, asked.error_code, asked.error = Outcome.ERROR, error.code, str(error)
        raise
    finally:
        asked.duration_ms = {**asked.duration_ms, "total": _ms_since(began)}
        asked.outcome = asked.outcome or Outcome.ERROR
        history.keep(asked, request=asker.request)


class _Conversation:
    """One question to the model, with at most one more for SQL that could not be run."""

    def __init__(self, asked: AskedQuestion, provider: Provider, now: datetime) -> None:
        self.asked, self.provider, self.now = asked, provider, now
        self.began = monotonic()

    def answer(self) -> Answer:
        self.provider.check_configured()
        request = model_request(self.asked.text, thread_before(self.asked.follows), now=self.now)
        said = self._complete(request)
        if said is None or said.kind != "sql":
            return self._without_sql(said)
        answer, problem = self._try(said)
        if problem is None or self._seconds_left() < LEAST_FOR_REPAIR:
            return answer
        code, names = problem
        self.asked.repaired = True
        try:
            again = self._complete(with_refusal(request, said, code=code, names=names))
        except ProviderError:
            # The first answer stands: it shows the SQL and why it was refused.
            return answer
        if again is None or again.kind != "sql":
            return self._without_sql(again)
        return self._try(again)[0]

    def _complete(self, request: ModelRequest[ModelAnswer]) -> ModelAnswer | None:
        began, used = monotonic(), Spent()
        try:
            done = self.provider.complete(request, seconds=self._seconds_left(), spent=used)
        finally:
            self._count(used)
            spent = self.asked.duration_ms.get("model", 0) + _ms_since(began)
            self.asked.duration_ms = {**self.asked.duration_ms, "model": spent}
        if done.answer is not None and done.answer.kind == "sql" and not done.answer.sql:
            raise BadAnswer("holds no SQL")
        return done.answer

    def _count(self, used: Spent) -> None:
        """What one request used, also one that ended in an error."""
        asked = self.asked
        first = not asked.sent_bytes
        asked.model = used.model
        asked.input_tokens += used.input_tokens
        asked.output_tokens += used.output_tokens
        asked.cache_read_tokens += used.cache_read_tokens
        asked.cache_creation_tokens += used.cache_creation_tokens
        asked.sent_bytes += used.sent_bytes
        if used.cost_usd is None or (asked.cost_usd is None and not first):
            asked.cost_usd = None
        else:
            asked.cost_usd = (asked.cost_usd or 0) + used.cost_usd

    def _try(self, said: ModelAnswer) -> tuple[Answer, tuple[str, tuple[str, ...]] | None]:
        """The answer, and the class and names of what another SELECT may avoid."""
        self.asked.rationale = clean_sentence(said.rationale)
        self.asked.message = clean_sentence(said.message)
        answer, error = _executed(self.asked, said.sql or "")
        if isinstance(error, SqlRefused):
            return answer, (f"{error.code}: {error.reason}", error.names)
        if isinstance(error, QueryFailed) and error.engine_class in MENDABLE:
            return answer, (error.engine_class, error.identifiers)
        return answer, None

    def _without_sql(self, said: ModelAnswer | None) -> Answer:
        asked = self.asked
        asked.sql, asked.error_code, asked.error = "", "", ""
        asked.outcome = _OUTCOMES[said.kind] if said else Outcome.REFUSED
        asked.message = clean_sentence(said.message if said else "The model refused to answer.")
        asked.rationale = clean_sentence(said.rationale if said else "")
        return Answer(asked)

    def _seconds_left(self) -> float:
        return max(self.provider.seconds - (monotonic() - self.began), 0.1)


def _execute(asked: AskedQuestion, sql: str) -> Answer:
    return _executed(asked, sql)[0]


def _executed(asked: AskedQuestion, sql: str) -> tuple[Answer, AgnesError | None]:
    """Judge and run the SQL; what refused or stopped it is told in the answer, and returned."""
    asked.sql = _storable(sql)
    asked.error_code = asked.error = ""
    _recognise(asked)
    try:
        began = monotonic()
        try:
            checked = guard.check(sql)
        finally:
            asked.duration_ms = {**asked.duration_ms, "guard": _ms_since(began)}
        asked.tables = list(checked.tables)
        began = monotonic()
        try:
            result = sandbox.run(checked.sql)
        finally:
            asked.duration_ms = {**asked.duration_ms, "query": _ms_since(began)}
    except (SqlRefused, QueryRefused) as error:
        return _ended(asked, Outcome.REJECTED, error), error
    except (QueryFailed, QueryTimedOut, QueryTooLarge) as error:
        return _ended(asked, Outcome.FAILED, error), error
    except (TooManyQueries, SandboxBroken, mirror.MirrorUnavailable) as error:
        # It may be paid for, and can run in a moment.
        error.details = {**error.details, "sql": asked.sql, "rationale": asked.rationale}
        raise
    asked.outcome = Outcome.OK
    asked.row_count, asked.truncated = len(result.rows), result.truncated
    asked.data_time = result.data_time
    return Answer(asked, result, _read(checked.tables)), None


def _storable(sql: str) -> str:
    """The text as databases take it, and no longer than what may run; the guard sees it whole."""
    return sql.replace("\x00", "\ufffd").encode(errors="replace").decode()[:MAX_CHARACTERS]


def _ended(asked: AskedQuestion, outcome: AskedQuestion.Outcome, error: AgnesError) -> Answer:
    asked.outcome, asked.error_code, asked.error = outcome, error.code, str(error)
    return Answer(asked, problem=error)


def _recognise(asked: AskedQuestion) -> None:
    """SQL that equals a verified question's is verified, whoever wrote it."""
    for question in verified_questions():
        if same_sql(question.sql, asked.sql):
            asked.origin, asked.verified_id = Origin.VERIFIED, question.id
            return


def _read(tables: tuple[str, ...]) -> list[Any]:
    try:
        return tables_read(tables)
    except mirror.MirrorUnavailable:
        # Replaced by a broken one since the rows were read; the rows stand.
        return []


def _ms_since(began: float) -> float:
    return round((monotonic() - began) * 1000, 1)
