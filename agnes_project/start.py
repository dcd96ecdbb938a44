"""Where nothing can work, one sentence that says why and what helps, instead of a traceback."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, OperationalError

from accounts.full_disks import is_disk_full

MISSING_TABLE = re.compile(
    r"no such (?:table|column): (?P<lite>\S+)|"
    r'(?:relation|column) "?(?P<post>[\w.]+)"? does not exist'
)
NO_CONNECTION = ("connection failed", "could not connect", "connection refused", "server closed")


@contextmanager
def sentence_instead_of_traceback(*, exit_code: int) -> Iterator[None]:
    """Ends the process, with nothing but the sentence on standard error; with --traceback errors
    that are not about settings pass as they are."""
    try:
        yield
    except ImproperlyConfigured as error:
        print(error, file=sys.stderr, flush=True)
        raise SystemExit(exit_code) from None
    except (DatabaseError, OSError) as error:
        sentence = sentence_of(error)
        if not sentence or "--traceback" in sys.argv:
            raise
        print(sentence, file=sys.stderr, flush=True)
        raise SystemExit(exit_code) from None


def sentence_of(error: BaseException) -> str:
    """What to say of an error that is the surroundings' fault; empty for any other."""
    if is_disk_full(error):
        return "There is no room left under AGNES_DATA_DIR: make room, then run it again."
    text = str(error)
    missing = MISSING_TABLE.search(text)
    if isinstance(error, DatabaseError) and missing:
        name = missing["lite"] or missing["post"]
        return f"The database is not up to date ({name} is missing): run manage.py migrate."
    if isinstance(error, OperationalError) and any(sign in text.lower() for sign in NO_CONNECTION):
        return (
            f"The database does not answer ({' '.join(text.split())[:300]}): start PostgreSQL, or "
            "correct DATABASE_URL."
        )
    return ""
