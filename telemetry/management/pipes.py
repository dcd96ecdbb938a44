"""Output of commands that is read by another program, as in `usage_import … | head`."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from django.core.management.base import CommandError, OutputWrapper


@contextmanager
def told_when_reader_leaves(stdout: OutputWrapper, sentence: str) -> Iterator[None]:
    """Raises a CommandError with this sentence when nobody reads the output any more."""
    try:
        yield
        # What lies in the buffer would fail at Python's end otherwise, with a traceback.
        stdout.flush()
    except BrokenPipeError as error:
        # Python flushes once more at its end, and would complain again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise CommandError(sentence) from error
