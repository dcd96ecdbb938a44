"""Files prepared and the sessions that are whole in them read, each byte decoded once.

What is read here is what `Processor.read` would read from the store afterwards, as long as the
session then holds nothing else; its content hash tells.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from telemetry.content_hashes import file_digest, session_digest
from telemetry.events import SessionRows, derive
from telemetry.extracts import ReadFile, extract_lines
from telemetry.preparation import SMALL, Content, Known, Prepared, prepare
from telemetry.surveys import Survey, survey_lines
from telemetry.transcripts import Tally, decode_lines

MOST_SESSIONS = 16
"""Sessions in one file; a file of more is read from the store, once for each."""


class SessionRead(msgspec.Struct, frozen=True):
    """What a session says when its files are exactly those of this content hash."""

    session_id: str
    content_hash: str
    rows: SessionRows


class ReadableFile(NamedTuple):
    """A prepared file (its `TranscriptFile.name`), and its lines where they were kept."""

    name: str
    prepared: Prepared
    lines: ReadFile | None


def prepare_and_keep(
    content: Content, *, name: str, known: Sequence[Known], folder: str
) -> ReadableFile:
    """`prepare`, keeping the decoded lines of a file that is new and small."""
    if known or content.expected_size() > SMALL:
        return ReadableFile(name, prepare(content, name=name, known=known, folder=folder), None)
    kept: list[ReadFile] = []

    def look(chunks: Iterable[bytes], name: str) -> Survey:
        tally = Tally(too_long=[])
        lines = list(decode_lines(chunks, tally))
        kept.append(ReadFile(name, lines, tally))
        return survey_lines(lines, tally, name)

    prepared = prepare(content, name=name, known=known, folder=folder, look=look)
    many = len(prepared.survey.session_ids) > MOST_SESSIONS
    return ReadableFile(name, prepared, None if many or not prepared.stored_size else kept[0])


def read_sessions(files: Iterable[ReadableFile]) -> Iterator[SessionRead]:
    """The sessions all of whose files among these have their lines."""
    by_session: dict[str, list[ReadableFile]] = defaultdict(list)
    for file in sorted(files, key=lambda file: file.name):
        seen = file.prepared.survey
        for session_id in seen.session_ids if seen.verdict == "claude" else ():
            by_session[session_id].append(file)
    for session_id, parts in by_session.items():
        lines = [part.lines for part in parts if part.lines is not None]
        if len(lines) < len(parts):
            continue
        try:
            rows = derive([extract_lines(lines, session_id)])[0]
        except Exception:  # noqa: S112 - told when the session is read from the store
            continue
        digests = (
            (part.name, file_digest([file.prepared.sha256]))
            for part, file in zip(lines, parts, strict=True)
        )
        yield SessionRead(session_id, session_digest(digests), rows)
