"""Which days figures are about, and which they are compared with. Days are UTC days."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import ClassVar, Self

from accounts.errors import AgnesError

LENGTHS = (7, 30, 90)
LONGEST = 400
ONE_DAY = timedelta(days=1)


class SummaryRefused(AgnesError):
    """Such a summary cannot be made; the message names the value."""

    code: ClassVar[str] = "summary_refused"


@dataclass(frozen=True)
class Window:
    """From `first` to `last`, both included. `today` is the day that is not complete yet.

    `length` is N for the last N complete days and today so far, None for days chosen by hand.
    """

    first: date
    last: date
    today: date
    length: int | None = None

    @classmethod
    def of_days(cls, length: int, *, now: datetime) -> Self:
        """The last `length` complete days and today so far."""
        today = now.astimezone(UTC).date()
        return cls(today - timedelta(days=length), today, today, length)

    @classmethod
    def parse(cls, *, days: str = "", since: str = "", until: str = "", now: datetime) -> Self:
        """From words as an address carries them; 30 days when all are empty.

        `since` is included, `until` is not. Raises SummaryRefused.
        """
        if not since and not until:
            return cls.of_days(_length(days or "30"), now=now)
        today = now.astimezone(UTC).date()
        last = _day("until", until) - ONE_DAY if until else today
        first = _day("since", since) if since else last - timedelta(days=29)
        if first > last:
            raise SummaryRefused(
                f"since={since} is not before until={until or today}.",
                fix="Give an earlier since; until itself is not included.",
            )
        if (last - first).days >= LONGEST:
            raise SummaryRefused(
                f"{(last - first).days + 1} days are more than a summary covers.",
                fix=f"Choose at most {LONGEST} days, or export the rows.",
            )
        return cls(first, last, today)

    @property
    def days(self) -> list[date]:
        return [self.first + timedelta(days=i) for i in range((self.last - self.first).days + 1)]

    @property
    def until(self) -> date:
        """The day after the last."""
        return self.last + ONE_DAY

    @property
    def complete_last(self) -> date:
        """The last day that will not change any more."""
        return min(self.last, self.today - ONE_DAY)

    @property
    def complete_days(self) -> int:
        """How many of its days are complete; what is compared is as long."""
        return max((self.complete_last - self.first).days + 1, 0)

    @property
    def before_first(self) -> date:
        """The first of the days before it that it is compared with."""
        return self.first - timedelta(days=self.complete_days)

    @property
    def before_last(self) -> date:
        return self.first - ONE_DAY


def _length(text: str) -> int:
    try:
        length = int(text)
    except ValueError:
        length = 0
    if not 1 <= length < LONGEST:
        raise SummaryRefused(
            f"days={text!r} is no length of a window.",
            fix=f"Give a whole number from 1 to {LONGEST - 1}, or since and until.",
        )
    return length


def _day(what: str, text: str) -> date:
    try:
        if len(text) != len("2026-05-01"):
            raise ValueError
        return date.fromisoformat(text)
    except ValueError:
        raise SummaryRefused(
            f"{what}={text!r} is not a day.", fix="Write a UTC day such as 2026-05-01."
        ) from None
