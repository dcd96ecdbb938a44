"""Fill an instance with the demo: people, catalogue, sessions, and everything derived from them."""

import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import ClassVar

from accounts.errors import AgnesError
from accounts.models import User
from telemetry import reattribution, transcript_store
from telemetry.demo import catalogue
from telemetry.demo.people import MOST_PEOPLE, Person, account_of, cast
from telemetry.demo.scribe import Scribe
from telemetry.demo.stories import HOUSE_SKILLS, Story
from telemetry.leases import LeaseTaken
from telemetry.models import Session, UsageEvent
from telemetry.preparation import BytesContent
from telemetry.processing import process_due
from telemetry.revisions import Accepted, known_revisions

MOST_DAYS = 400
HOUSE_EVERY = 5
"""Days between two uses of a house skill by one person, so that each falls into every window."""

FRIDAY = 4
"""People send their transcripts once a week."""


class SeedRefused(AgnesError):
    """The database is not to be filled with the demo."""

    code: ClassVar[str] = "seed_refused"
    status: ClassVar[int] = 409


@dataclass
class Seeded:
    """What there is after a seed; `sessions` and `files` are what it brought."""

    now: datetime
    days: int
    people: int
    plugins: int
    sessions: int = 0
    files: int = 0
    events: int = 0
    caught_up: bool = True
    """Whether everything derived is up to date; False when another process is at it."""


def seed(
    *,
    now: datetime,
    days: int,
    people: int,
    number: int,
    add: bool,
    register: Callable[..., int] = catalogue.register,
) -> Seeded:
    """Sessions of the last `days` complete days and of today until `now`.

    `number` makes all choices, so the same call tells the same stories; a day's stories do not
    depend on `now`, so a later call with `add` lets them go on. `register(now=…)` makes the
    catalogue known and returns how many plugins it has. Raises SeedRefused when there are
    sessions already and not `add`.
    """
    _check(days=days, people=people, add=add)
    done = Seeded(now, days, people, register(now=now))
    with suppress(LeaseTaken):
        reattribution.reattribute_due(now=now)
    before = Session.objects.count()
    for person in cast(people):
        done.files += _upload(person, now=now, days=days, number=number, people=people)
    processed = process_due(now=lambda: now)
    done.caught_up = not processed.left and not processed.mirror_problem
    done.sessions = Session.objects.count() - before
    done.events = UsageEvent.objects.count()
    return done


def _check(*, days: int, people: int, add: bool) -> None:
    if not 1 <= days <= MOST_DAYS:
        raise SeedRefused(f"{days} days cannot be made.", fix=f"Give 1 to {MOST_DAYS} days.")
    if not 1 <= people <= MOST_PEOPLE:
        raise SeedRefused(
            f"{people} people cannot be made.", fix=f"Give 1 to {MOST_PEOPLE} people."
        )
    if not add and Session.objects.exists():
        raise SeedRefused(
            "There are sessions in this database already.",
            fix="Use a database of its own for the demo (AGNES_DATA_DIR), or add to this one "
            "with --add.",
        )


def _upload(person: Person, *, now: datetime, days: int, number: int, people: int) -> int:
    """Send the person's transcripts of each week; returns how many files were new or grew."""
    user = account_of(person)
    place = cast(people).index(person)
    today = now.astimezone(UTC).date()
    waiting: dict[str, bytes] = {}
    files = 0
    for back in range(days, -1, -1):
        day = today - timedelta(days=back)
        for scribe in _files_of_day(person, place, people, day, number):
            content = scribe.lines_until(now)
            if content:
                waiting[scribe.file_name] = content
        if day.weekday() == FRIDAY or not back:
            # A story of Friday evening may go on after midnight.
            sent = min(_moment(day, 30), now)
            files += _keep(user, waiting, now=sent)
            waiting = {}
    return files


def _keep(user: User, contents: dict[str, bytes], *, now: datetime) -> int:
    """Store these files in one transaction, as an import would; returns how many changed it."""
    known = known_revisions(user.pk, list(contents))
    items = [
        transcript_store.prepare_here(user.pk, name, BytesContent(content), known[name])
        for name, content in contents.items()
    ]
    outcomes = transcript_store.keep(user=user, items=items, now=now) if items else []
    return sum(isinstance(one, Accepted) and one.status.is_change for one in outcomes)


def _files_of_day(
    person: Person, place: int, people: int, day: date, number: int
) -> Iterator[Scribe]:
    """One person's transcripts of one day, whole; `place` is theirs among all."""
    rng = random.Random(f"{number}/{person.email}/{day}")
    turn = day.toordinal()
    if turn % people == place:
        story = Story(rng, person, _moment(day, rng.uniform(0.02, 0.05)), headless=True)
        story.nightly_checks()
        yield from story.files()
    pace = person.pace if day.weekday() < 5 else person.pace / 8
    begin, end = person.hours
    house = [
        plugin
        for at, plugin in enumerate(HOUSE_SKILLS)
        if (turn + place + 2 * at) % HOUSE_EVERY == 0
    ]
    starts = [rng.uniform(begin, end) for _ in house]
    while rng.random() < pace and len(starts) < 4:
        starts.append(rng.uniform(begin, end))
        pace *= 0.4
    for at, hour in enumerate(starts):
        story = Story(rng, person, _moment(day, hour))
        story.working_session(house[at] if at < len(house) else None)
        yield from story.files()
        if rng.random() < 0.04:
            fork = Story(rng, person, story.main.at)
            fork.fork_of(story.main)
            yield from fork.files()


def _moment(day: date, hour: float) -> datetime:
    return datetime.combine(day, time(tzinfo=UTC)) + timedelta(hours=hour)
