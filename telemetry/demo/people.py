"""The people of the demo: a ferry company's developers, all invented."""

from typing import NamedTuple

from accounts.models import User

DOMAIN = "saltmarsh-ferries.example"


class Person(NamedTuple):
    """Somebody with habits. `pace` is the chance of a session on a working day, and then the
    expected number of sessions is a little above one."""

    name: str
    projects: tuple[str, ...]
    model: str
    version: str
    hours: tuple[int, int]
    """Begin and end of the working day, UTC."""
    pace: float

    @property
    def email(self) -> str:
        return f"{self.name.lower().replace(' ', '.')}@{DOMAIN}"

    @property
    def home(self) -> str:
        return f"/home/{self.name.split()[0].lower()}"


SONNET = "claude-sonnet-4-5-20250929"
OPUS = "claude-opus-4-6"
HAIKU = "claude-haiku-4-5-20251001"
IN_HOUSE = "saltmarsh-relay-1"
"""A proxy's own name for a model: nobody knows its price."""

PEOPLE = (
    Person("Edda Lindqvist", ("timetable-api", "pier-signs"), OPUS, "2.1.250", (7, 15), 0.95),
    Person("Tomas Okafor", ("ticket-kiosk",), SONNET, "2.1.250", (8, 16), 0.9),
    Person("Yara Benali", ("crew-roster", "timetable-api"), SONNET, "2.1.243", (6, 14), 0.85),
    Person("Piet Vandermeer", ("dock-sensors",), OPUS, "2.1.250", (9, 18), 0.8),
    Person("Noor Haidari", ("ticket-kiosk", "fare-model"), SONNET, "2.1.236", (7, 16), 0.75),
    Person("Lukas Brandt", ("pier-signs",), HAIKU, "2.1.250", (8, 17), 0.6),
    Person("Amara Diallo", ("fare-model",), IN_HOUSE, "2.1.228", (10, 19), 0.5),
    # A version that often left out how an answer ended, so its tokens are a lower bound.
    Person("Finn Castellan", ("dock-sensors", "crew-roster"), SONNET, "2.1.64", (8, 15), 0.4),
)
MOST_PEOPLE = 40
FIRST_NAMES = ("Ines", "Jonas", "Mbali", "Rune", "Sana", "Theo", "Vera", "Wim")
LAST_NAMES = ("Aalto", "Keane", "Moreau", "Petrov")


def cast(number: int) -> list[Person]:
    """The first `number` people, at most MOST_PEOPLE; those beyond the named ones have the habits
    of one of these."""
    people = list(PEOPLE[:number])
    for at in range(number - len(people)):
        first = FIRST_NAMES[at % len(FIRST_NAMES)]
        last = LAST_NAMES[at // len(FIRST_NAMES)]
        people.append(PEOPLE[at % len(PEOPLE)]._replace(name=f"{first} {last}"))
    return people


def account_of(person: Person) -> User:
    """Their account, made when it is missing. It has no password, so nobody signs in with it."""
    found = User.objects.filter(email=person.email).first()
    return found or User.objects.create_user(person.email, name=person.name)
