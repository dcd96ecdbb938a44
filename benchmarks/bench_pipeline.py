"""Transcripts on disk -> stored, compressed, extracted, rolled up, mirrored."""

import hashlib
from contextlib import suppress
from pathlib import Path

import msgspec
import zstandard

from benchmarks import corpus, instance
from benchmarks.measures import Measure, peak_mb, timed

MEGABYTES = {"smoke": 8.0, "full": 600.0}


def run(size: str) -> list[Measure]:
    """MB/s from files on disk to the published mirror, with the parts' shares and two floors."""
    root = corpus.tree(MEGABYTES[size])
    megabytes = corpus.bytes_of(root) / 1e6
    floors = {
        "decode every line (msgspec)": megabytes / seconds_to_decode(root),
        "sha256 + zstd 1": megabytes / seconds_to_compress(root),
    }
    instance.start()
    with timed() as clock:
        instance.import_folder(root)
    if not instance.mirrored("SELECT count(*) FROM usage_events"):
        raise AssertionError("the mirror holds no events: the run measured nothing")
    note = f"{megabytes:.0f} MB in {clock.seconds:.2f} s, with the start of the processes"
    return [
        Measure("end to end", megabytes / clock.seconds, "MB/s", "more", 100, floors, note),
        Measure("memory of the largest process", peak_mb(), "MB", "less", 300),
    ]


class AnyLine(msgspec.Struct):
    """As little of a line as can be decoded: the rest is only passed over."""

    type: str | None = None
    uuid: str | None = None
    sessionId: str | None = None
    message: msgspec.Raw = msgspec.Raw()


def seconds_to_decode(root: Path) -> float:
    """Seconds for decoding every line once, on one core; damaged lines are passed over."""
    decode = msgspec.json.Decoder(AnyLine).decode
    seconds = 0.0
    for path in root.rglob("*.jsonl"):
        lines = path.read_bytes().split(b"\n")
        with timed() as clock:
            for line in lines:
                with suppress(msgspec.DecodeError, UnicodeDecodeError):
                    decode(line)
        seconds += clock.seconds
    return seconds


def seconds_to_compress(root: Path) -> float:
    """Seconds for hashing and compressing every file once, on one core."""
    compressor = zstandard.ZstdCompressor(level=1)
    seconds = 0.0
    for path in root.rglob("*.jsonl"):
        content = path.read_bytes()
        with timed() as clock:
            hashlib.sha256(content).hexdigest()
            compressor.compress(content)
        seconds += clock.seconds
    return seconds
