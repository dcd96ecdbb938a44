"""Starting with a configuration that cannot work ends with the sentence that says so."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from django.core.exceptions import ImproperlyConfigured


@contextmanager
def sentence_instead_of_traceback(*, exit_code: int) -> Iterator[None]:
    """Ends the process, with nothing but the sentence on standard error."""
    try:
        yield
    except ImproperlyConfigured as error:
        print(error, file=sys.stderr, flush=True)
        raise SystemExit(exit_code) from None
