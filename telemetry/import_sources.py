"""Where an import finds files: a folder, a single file, a zip.

Plain Python. Nothing here follows a link out of the folder, opens what is no regular file, or
believes an archive: paths, sizes and entries of a zip are checked before anything is read.
"""

import contextlib
import re
import stat
import zipfile
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path, PurePosixPath

import msgspec

from telemetry.preparation import CHUNK, Content, FileContent
from telemetry.surveys import home_session
from telemetry.transcript_names import UnusableName, is_transcript, transcript_name
from telemetry.upload_bodies import EXPANSION_MATTERS, MOST_EXPANSION

DEEPEST = 6
"""Parts of a path that can matter for a transcript's name."""

MOST_ENTRIES = 500_000
MOST_BYTES = 64 * 1024**3
MOST_FILE_BYTES = 8 * 1024**3
GLANCE = 4096
_SESSION_ID = re.compile(rb'"sessionId":"([^"]+)"')
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class UnusableSource(ValueError):
    """A path that cannot be imported; the text says why and what to do."""


class Stamp(msgspec.Struct, frozen=True):
    """How a file on disk looked; a file that changed looks different."""

    size: int
    mtime_ns: int
    inode: int


class Found(msgspec.Struct):
    """A file to import. `name` is empty where `refused` says why it is not even read.

    `path` is relative to what is imported; `place` is the resolved path on disk, "" in a zip.
    """

    path: str
    size: int
    name: str = ""
    refused: str = ""
    content: Content | None = None
    place: str = ""
    stamp: Stamp | None = None


class Skipped(Counter[str]):
    """How many files were passed over, by the reason."""


def session_of(found: Found) -> str | None:
    """The session a file seems to belong to: by its name, else by its first lines; None unless
    it is quick to tell. A wrong guess costs time and nothing else."""
    if session_id := home_session(found.name):
        return session_id
    if isinstance(found.content, FileContent):
        with contextlib.suppress(OSError), Path(found.content.path).open("rb", buffering=0) as file:
            if told := _SESSION_ID.search(file.read(GLANCE)):
                return told[1].decode("ascii", "replace")
    return None


def find_files(source: Path, skipped: Skipped) -> Iterator[Found]:
    """Transcript files in a folder, a .jsonl file or a zip, in order of their paths.

    Raises UnusableSource for a path that is none of the three or an archive that is refused.
    """
    if source.is_dir():
        return _in_folder(source.resolve(), skipped)
    if not source.is_file():
        raise UnusableSource(f"{source} does not exist. Give a folder, a .jsonl file or a .zip.")
    if source.suffix.lower() == ".zip":
        return _in_zip(source.resolve(), skipped)
    if not is_transcript(source.name):
        raise UnusableSource(
            f"{source} is neither a folder, a .jsonl file nor a .zip. Unpack it, or pack it as zip."
        )
    place = source.resolve()
    return iter([_on_disk(place.parent, place.parent / source.name, skipped, place)])


def _in_folder(root: Path, skipped: Skipped) -> Iterator[Found]:
    folders = [root]
    while folders:
        folder = folders.pop()
        try:
            entries = sorted(folder.iterdir(), key=lambda entry: entry.name)
        except OSError as error:
            yield _refused(folder, root, f"not readable: {error.strerror}")
            continue
        inner = []
        for entry in entries:
            if entry.is_dir():
                if entry.is_symlink():
                    skipped["linked folder"] += 1
                else:
                    inner.append(entry)
            elif not is_transcript(entry.name):
                skipped["not a transcript"] += 1
            elif found := _entry(root, entry, skipped):
                yield found
        folders.extend(reversed(inner))


def _entry(root: Path, entry: Path, skipped: Skipped) -> Found | None:
    place = entry
    if entry.is_symlink():
        place = entry.resolve()
        if not place.is_relative_to(root):
            skipped["link out of the folder"] += 1
            return None
    return _on_disk(root, entry, skipped, place)


def _on_disk(root: Path, entry: Path, skipped: Skipped, place: Path) -> Found:
    try:
        status = place.stat()
    except OSError as error:
        return _refused(entry, root, f"not readable: {error.strerror}")
    if not stat.S_ISREG(status.st_mode):
        return _refused(entry, root, "not a regular file")
    found = _named("/".join(entry.parts[-DEEPEST:]).lstrip("/"), _relative(entry, root))
    found.size = status.st_size
    found.content = FileContent(str(place))
    found.place = str(place)
    found.stamp = Stamp(status.st_size, status.st_mtime_ns, status.st_ino & (2**63 - 1))
    return found


def _named(path: str, shown: str) -> Found:
    try:
        return Found(path=shown, size=0, name=transcript_name(path))
    except UnusableName as error:
        return Found(path=shown, size=0, refused=f"its path is not taken: {error}")


def _relative(entry: Path, root: Path) -> str:
    return entry.relative_to(root).as_posix()


def _refused(entry: Path, root: Path, why: str) -> Found:
    return Found(path=_relative(entry, root), size=0, refused=why)


class ZipContent(msgspec.Struct, frozen=True):
    """One entry of a zip."""

    archive: str
    entry: str
    size: int

    def expected_size(self) -> int:
        return self.size

    def chunks(self, start: int = 0) -> Iterator[bytes]:
        with _open_zip(self.archive).open(self.entry) as file:
            file.seek(start)
            while chunk := file.read(CHUNK):
                yield chunk


@lru_cache(maxsize=1)
def _open_zip(archive: str) -> zipfile.ZipFile:
    # One import reads one archive, and reading its directory anew for each entry would be slow.
    return zipfile.ZipFile(archive)


def _in_zip(archive: Path, skipped: Skipped) -> Iterator[Found]:
    try:
        with zipfile.ZipFile(archive) as opened:
            entries = opened.infolist()
    except (zipfile.BadZipFile, OSError, NotImplementedError) as error:
        raise UnusableSource(f"{archive} is not a readable zip: {error}. Pack it again.") from error
    files = [entry for entry in entries if not entry.is_dir()]
    taken = [entry for entry in files if is_transcript(PurePosixPath(entry.filename).name)]
    skipped["not a transcript"] += len(files) - len(taken)
    if len(entries) > MOST_ENTRIES or sum(entry.file_size for entry in taken) > MOST_BYTES:
        raise UnusableSource(
            f"{archive} unpacks to more than {MOST_ENTRIES} entries or {MOST_BYTES >> 30} GiB. "
            "Unpack it yourself and import the folder."
        )
    names = Counter(entry.filename for entry in taken)
    return iter(
        [_zip_entry(archive, entry, names) for entry in sorted(taken, key=lambda e: e.filename)]
    )


def _zip_entry(archive: Path, entry: zipfile.ZipInfo, names: Counter[str]) -> Found:
    shown = entry.filename
    # zipfile cuts a name at a NUL and replaces the system's separators; the name as it was counts.
    found = _named(entry.orig_filename, shown)
    found.refused = found.refused or _why_not(entry, names)
    found.size = entry.file_size
    if not found.refused:
        found.content = ZipContent(str(archive), entry.filename, entry.file_size)
    return found


def _why_not(entry: zipfile.ZipInfo, names: Counter[str]) -> str:
    if entry.flag_bits & 0x1:
        return "encrypted: unpack it with its password first"
    if stat.S_ISLNK(entry.external_attr >> 16):
        return "a link in an archive"
    if entry.compress_type not in METHODS:
        return "packed by a method other than deflate"
    if names[entry.filename] > 1:
        return "the archive holds this path more than once"
    if entry.file_size > MOST_FILE_BYTES:
        return f"larger than {MOST_FILE_BYTES >> 30} GiB"
    expansion = entry.file_size / max(entry.compress_size, 1)
    if entry.file_size > EXPANSION_MATTERS and expansion > MOST_EXPANSION:
        return f"it unpacks to {expansion:.0f} times its size, as bombs do"
    return ""
