"""What people asked and kept, where it is of a person or names them: found and erased.

A question names a person where their username, name or e-mail address stands in it whole, in any
letter case, with or without diacritics.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field

from accounts import audit
from accounts.models import AuditEvent, User
from telemetry.models import AskedQuestion, SavedQuestion

ACTIONS = ("usage.ask", "question.save", "question.share", "question.delete")
"""Audit rows that repeat what people wrote, and under which keys."""
WRITTEN = ("question", "sql", "name")


@dataclass
class NamedQuestions:
    """Primary keys; `others` are saved questions of other people, as `owner: name`, and stay."""

    asked: list[int] = field(default_factory=list)
    saved: list[int] = field(default_factory=list)
    audit_rows: list[int] = field(default_factory=list)
    others: list[str] = field(default_factory=list)


def find_questions(person: User) -> NamedQuestions:
    """Questions that the person asked or kept, and all that name them; changes nothing."""
    names = _names(person)
    found = NamedQuestions()
    for asked in AskedQuestion.objects.order_by("pk").iterator():
        written = (asked.text, asked.sql, asked.rationale, asked.message, asked.error)
        if asked.user_id == person.pk or _is_named(names, written):
            found.asked.append(asked.pk)
    for saved in SavedQuestion.objects.select_related("user").order_by("pk").iterator():
        if saved.user_id == person.pk:
            found.saved.append(saved.pk)
        elif _is_named(names, (saved.name, saved.text, saved.sql, saved.rationale)):
            found.others.append(f"{saved.user.username}: {saved.name}")
    events = AuditEvent.objects.filter(action__in=ACTIONS).order_by("pk")
    for event in events.iterator():
        texts = tuple(str(event.details.get(key) or "") for key in WRITTEN)
        if any(texts) and (event.actor_id == person.pk or _is_named(names, texts)):
            found.audit_rows.append(event.pk)
    return found


def erase_questions(person: User) -> NamedQuestions:
    """Delete what `find_questions` finds and blank the texts of audit rows; others' stay.

    In the caller's transaction.
    """
    found = find_questions(person)
    AskedQuestion.objects.filter(pk__in=found.asked).delete()
    SavedQuestion.objects.filter(pk__in=found.saved).delete()
    audit.blank_details(found.audit_rows, WRITTEN)
    return found


def _names(person: User) -> re.Pattern[str]:
    whole = {_folded(one) for one in (person.username, person.name, person.email) if one.strip()}
    longest_first = sorted(whole, key=len, reverse=True)
    return re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, longest_first))})(?![\w-])")


def _is_named(names: re.Pattern[str], texts: Iterable[str]) -> bool:
    return any(names.search(_folded(text)) for text in texts if text)


def _folded(text: str) -> str:
    """On one line, without letter case and diacritics."""
    apart = unicodedata.normalize("NFKD", " ".join(text.split()).casefold())
    return "".join(sign for sign in apart if not unicodedata.combining(sign))
