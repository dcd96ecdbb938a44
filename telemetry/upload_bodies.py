"""Request bodies on their way to disk: unpacked, measured and bounded while they stream.

Memory stays at about 10 MiB whatever is sent: a body is read in small parts, and every part's
decoded bytes are written before the next is looked at.
"""

import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile

import zstandard

from accounts.errors import AgnesError

READ = 256 * 1024
OUTPUT = 1024**2
ZSTD_STEP = 256
"""A zstd block of 4 bytes may unpack to 128 KiB, so this many unpack to 8 MiB at most."""

LARGEST_WINDOW = 8 * 1024**2
MOST_EXPANSION = 250
"""Transcripts compress 5 to 50 times; made-up ones of the same line over and over 1,000 times."""

EXPANSION_MATTERS = 16 * 1024**2

Read = Callable[[int], bytes]


class UploadTooLarge(AgnesError):
    code = "upload_too_large"
    status = 413


class SuspectedBomb(AgnesError):
    code = "suspected_bomb"
    status = 413


class BrokenBody(AgnesError):
    code = "broken_body"
    status = 400


class UnknownEncoding(AgnesError):
    code = "unknown_encoding"
    status = 415


@contextmanager
def spooled(read: Read, *, encoding: str, limit: int, folder: Path) -> Iterator[Path]:
    """The decoded body as a file in `folder`, which is gone afterwards.

    `read(n)` gives at most n bytes, b"" at the end; `encoding` is the Content-Encoding header;
    `limit` bounds the decoded bytes. Raises UploadTooLarge, SuspectedBomb, BrokenBody or
    UnknownEncoding.
    """
    decode = _decoder(encoding)
    with NamedTemporaryFile(dir=folder, prefix="upload-") as file:
        received = _Received(read)
        size = 0
        for part in decode(received):
            size += len(part)
            _check_size(size, received.size, limit)
            file.write(part)
        file.flush()
        yield Path(file.name)


def _check_size(size: int, received: int, limit: int) -> None:
    if size > limit:
        raise too_large(limit)
    if size > EXPANSION_MATTERS and size > received * MOST_EXPANSION:
        raise SuspectedBomb(
            f"The body unpacks to more than {MOST_EXPANSION} times its size, as bombs do.",
            fix="Send it without compression.",
        )


def too_large(limit: int) -> UploadTooLarge:
    return UploadTooLarge(
        f"The transcript is larger than {limit:,} bytes.",
        fix="Ask the operator to raise AGNES_UPLOAD_MAX_BYTES, or send only what was added "
        "(offset and base_sha256).",
        details={"limit": limit},
    )


class _Received:
    """The parts of a body as they arrive, and how much that was."""

    def __init__(self, read: Read) -> None:
        self.read = read
        self.size = 0

    def __iter__(self) -> Iterator[bytes]:
        while True:
            try:
                part = self.read(READ)
            except OSError as error:
                raise BrokenBody("The body broke off.", fix="Send it again.") from error
            if not part:
                return
            self.size += len(part)
            yield part


def _decoder(encoding: str) -> Callable[[_Received], Iterator[bytes]]:
    known: dict[str, Callable[[_Received], Iterator[bytes]]] = {
        "": iter,
        "identity": iter,
        "gzip": _gunzip,
        "x-gzip": _gunzip,
        "zstd": _unzstd,
    }
    try:
        return known[encoding.strip().lower()]
    except KeyError:
        raise UnknownEncoding(
            f"The Content-Encoding {encoding!r} is not known.",
            fix="Use gzip or zstd, or leave the header out.",
        ) from None


def _gunzip(parts: _Received) -> Iterator[bytes]:
    member = zlib.decompressobj(wbits=31)
    begun = False
    try:
        for part in parts:
            while part:
                if member.eof:
                    member = zlib.decompressobj(wbits=31)
                begun = True
                yield member.decompress(part, OUTPUT)
                part = member.unused_data if member.eof else member.unconsumed_tail
    except zlib.error as error:
        raise _broken("gzip") from error
    while begun and not member.eof and (rest := member.decompress(b"", OUTPUT)):
        yield rest
    if begun and not member.eof:
        raise _broken("gzip")


def _unzstd(parts: _Received) -> Iterator[bytes]:
    decompressor = zstandard.ZstdDecompressor(max_window_size=LARGEST_WINDOW)
    frame = decompressor.decompressobj()
    begun = False
    try:
        for part in parts:
            for at in range(0, len(part), ZSTD_STEP):
                step = part[at : at + ZSTD_STEP]
                while step:
                    if frame.eof:
                        frame = decompressor.decompressobj()
                    begun = True
                    yield frame.decompress(step)
                    step = frame.unused_data if frame.eof else b""
    except zstandard.ZstdError as error:
        raise _broken("zstd") from error
    if begun and not frame.eof:
        raise _broken("zstd")


def _broken(encoding: str) -> BrokenBody:
    return BrokenBody(
        f"The body is damaged or incomplete {encoding}.", fix="Compress and send it again."
    )
