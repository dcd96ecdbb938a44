"""Transcripts as people see them: without secrets, by the client's own rules.

The client masks secrets before it sends; what came from disk or from other programs was not.
"""

from collections import Counter
from collections.abc import Iterable, Iterator

from agnes_cli.redaction import redact_text, redacted


def without_secrets(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of a transcript, each secret replaced by [REDACTED:<rule>]."""
    return redacted(chunks, Counter())


def text_without_secrets(text: str) -> str:
    return redact_text(text, Counter())
