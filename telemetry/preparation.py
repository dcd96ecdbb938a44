"""One transcript file's bytes to what the store needs: hash, compressed frame, survey.

Plain Python without Django, so that importers can run it in other processes. Files up to SMALL
are handled in one buffer, larger ones in chunks, so memory does not grow with the file.
"""

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec
import zstandard

from telemetry.surveys import Survey, packing_of, survey

CHUNK = 1024**2
SMALL = 8 * 1024**2
FRAME_IN_MEMORY = 4 * 1024**2
LEVEL = 1
"""Level 3 compresses transcripts about a tenth smaller and takes twice the time."""


class ContentChanged(Exception):
    """The file was rewritten between two looks at it."""


class Known(msgspec.Struct, frozen=True):
    """A revision that is stored already: what it ends at, and whether its bytes are still there.

    Where they are not, `wanted` says that they have to be stored when they are sent again.
    """

    number: int
    size: int
    sha256: str
    stored: bool = True
    wanted: bool = False


class Content(Protocol):
    """Bytes that can be read more than once, from any offset."""

    def chunks(self, start: int = 0) -> Iterator[bytes]: ...

    def expected_size(self) -> int: ...


class FileContent(msgspec.Struct, frozen=True):
    """A file on disk."""

    path: str

    def expected_size(self) -> int:
        return Path(self.path).stat().st_size

    def chunks(self, start: int = 0) -> Iterator[bytes]:
        with Path(self.path).open("rb", buffering=0) as file:
            if os.fstat(file.fileno()).st_size - start <= SMALL:
                file.seek(start)
                yield file.readall()
                return
            file.seek(start)
            while chunk := file.read(CHUNK):
                yield chunk


class BytesContent(msgspec.Struct, frozen=True):
    """Bytes in memory."""

    data: bytes

    def expected_size(self) -> int:
        return len(self.data)

    def chunks(self, start: int = 0) -> Iterator[bytes]:
        yield self.data[start:] if start else self.data


class Prepared(msgspec.Struct):
    """What was found out about one file.

    `base` is the number of the longest known revision that the content starts with, None without
    one. The frame is one zstd frame of the bytes from `frame_start` on; it is empty where the
    content equals a revision, unless it is `restored`, is not a transcript, or is `undecided`:
    shorter than a known revision and perhaps its beginning, which only the store can tell. A large
    frame is in the file `frame_path`, which the receiver removes.
    """

    size: int
    sha256: str
    survey: Survey
    base: int | None = None
    equal: bool = False
    restored: bool = False
    """Whether it equals a revision whose bytes are gone and wanted again."""
    undecided: bool = False
    frame_start: int = 0
    frame: bytes = b""
    frame_path: str = ""
    stored_size: int = 0

    def discard(self) -> None:
        if self.frame_path:
            with contextlib.suppress(FileNotFoundError):
                Path(self.frame_path).unlink()


Look = Callable[[Iterable[bytes], str], Survey]
"""`survey`, or something that keeps what it sees."""


def prepare(
    content: Content,
    *,
    name: str,
    known: Sequence[Known],
    folder: str,
    decided: bool = False,
    look: Look = survey,
) -> Prepared:
    """Read, hash, survey and compress one file.

    `name` is `TranscriptFile.name`, `known` are the stored revisions under it, `folder` takes
    large frames. `decided` says that the content is known to be no beginning of a revision.
    Raises OSError when it cannot be read and ContentChanged when it was rewritten meanwhile.
    """
    content = _in_memory(content)
    scan = _Scan(known)
    with Frame(folder) as frame:
        first_pass = frame if not known else None
        surveyed = look(scan.read(content.chunks(), first_pass), name)
        if surveyed.verdict == "nothing":
            surveyed.program = packing_of(next(iter(content.chunks()), b""))
        prepared = scan.result(surveyed, decided=decided)
        if surveyed.verdict != "claude" or prepared.undecided:
            return prepared
        if prepared.equal and not prepared.restored:
            return prepared
        if known:
            _compress_tail(content, prepared, scan, frame)
        prepared.frame, prepared.frame_path = frame.take()
        prepared.stored_size = frame.size
    return prepared


def _in_memory(content: Content) -> Content:
    """Small files are read once, whatever has to be done with them."""
    if isinstance(content, BytesContent) or content.expected_size() > SMALL:
        return content
    return BytesContent(b"".join(content.chunks()))


def _compress_tail(content: Content, prepared: Prepared, scan: "_Scan", frame: "Frame") -> None:
    hasher = scan.hasher_at_base.copy() if prepared.frame_start else hashlib.sha256()
    left = prepared.size - prepared.frame_start
    for chunk in content.chunks(prepared.frame_start):
        part = chunk[:left]
        hasher.update(part)
        frame.write(part)
        left -= len(part)
        if not left:
            break
    if hasher.hexdigest() != prepared.sha256:
        raise ContentChanged


class _Scan:
    """Hashes what passes, and compares at the sizes where known revisions end."""

    def __init__(self, known: Sequence[Known]) -> None:
        self.known = sorted(known, key=lambda revision: (revision.size, revision.stored))
        self.hasher = hashlib.sha256()
        self.hasher_at_base = self.hasher
        self.size = 0
        self.base: Known | None = None
        self._source: Iterator[bytes] = iter(())

    def read(self, chunks: Iterable[bytes], frame: "Frame | None") -> Iterator[bytes]:
        self._source = self._pass(chunks, frame)
        return self._source

    def result(self, surveyed: Survey, *, decided: bool) -> Prepared:
        for _ in self._source:  # a survey may stop early
            pass
        base = self.base
        equal = base is not None and base.size == self.size
        grown = base is not None and base.stored
        return Prepared(
            size=self.size,
            sha256=self.hasher.hexdigest(),
            survey=surveyed,
            base=base.number if base else None,
            equal=equal,
            restored=equal and base is not None and base.wanted,
            undecided=not (decided or equal or grown)
            and any(revision.stored and revision.size > self.size for revision in self.known),
            frame_start=base.size if base and base.stored else 0,
        )

    def _pass(self, chunks: Iterable[bytes], frame: "Frame | None") -> Iterator[bytes]:
        ends = [revision.size for revision in self.known]
        for chunk in chunks:
            self._update(chunk, ends)
            if frame:
                frame.write(chunk)
            yield chunk

    def _update(self, chunk: bytes, ends: list[int]) -> None:
        begin, end = self.size, self.size + len(chunk)
        at = 0
        for size in ends:
            if begin < size <= end:
                self.hasher.update(memoryview(chunk)[at : size - begin])
                at = size - begin
                self._compare(size)
        self.hasher.update(memoryview(chunk)[at:])
        self.size = end

    def _compare(self, size: int) -> None:
        digest = self.hasher.hexdigest()
        for revision in self.known:
            if revision.size == size and revision.sha256 == digest:
                self.base = revision
                self.hasher_at_base = self.hasher.copy()


class Frame:
    """A zstd frame being written: in memory while it is small, then in a file."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._compressor = zstandard.ZstdCompressor(level=LEVEL).compressobj()
        self._parts = bytearray()
        self._file: Any = None
        self.size = 0

    def __enter__(self) -> "Frame":
        return self

    def __exit__(self, *_: object) -> None:
        """Removes a file that nobody took."""
        if self._file is not None:
            self._file.close()
            Path(self._file.name).unlink()

    def write(self, data: bytes) -> None:
        self._keep(self._compressor.compress(data))

    def take(self) -> tuple[bytes, str]:
        """The finished frame as (bytes, ""), or as (b"", path) of a file that is the caller's."""
        self._keep(self._compressor.flush())
        if self._file is None:
            return bytes(self._parts), ""
        self._file.close()
        path = self._file.name
        self._file = None
        return b"", path

    def _keep(self, data: bytes) -> None:
        self.size += len(data)
        if self._file is not None:
            self._file.write(data)
            return
        self._parts += data
        if len(self._parts) > FRAME_IN_MEMORY:
            self._file = tempfile.NamedTemporaryFile(  # noqa: SIM115
                dir=self._folder, prefix="frame-", delete=False
            )
            self._file.write(self._parts)
            self._parts.clear()
