"""An uploaded zip or Markdown file as a bundle in memory.

Nothing is written anywhere. Whatever an archive can do beyond holding files is refused by name.
"""

import re
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Mapping
from io import BytesIO
from typing import ClassVar, Final

from accounts.errors import AgnesError
from marketplace.bundles import Bundle, is_executable
from marketplace.manifests.texts import UNSEEN, shown

LARGEST_UPLOAD: Final = 10 * 1024**2
"""Bytes of the file that is sent."""

LARGEST_FILE: Final = 4 * 1024**2
LARGEST_TREE: Final = 16 * 1024**2
MOST_FILES: Final = 1_000
DEEPEST: Final = 12
LONGEST_PATH: Final = 240
LONGEST_PART: Final = 100
MOST_PART_BYTES: Final = 255
"""What file systems take for one name; signs beyond ASCII need two to four bytes each."""

GIT_OWN: Final = re.compile(
    r"\.git|\.gitmodules|\.gitattributes|\.lfsconfig|(git|gitmod|gitatt|lfscon|gi[0-9a-f]{4}|li[0-9a-f]{4})~\d"
)
"""What git obeys wherever it lies, also in the short names of Windows: one of them in the served
repository, and nobody can clone it any more."""

DEVICES: Final = re.compile(
    r"(con|prn|aux|nul|(com|lpt)[0-9\u00b9\u00b2\u00b3]|con(in|out)\$|clock\$) *(\.|$)"
)
"""No file of these names can be made on Windows, whatever its ending."""

MOST_EXPANSION: Final = 200
"""Text compresses 3 to 20 times, generated tables up to a hundred times."""

EXPANSION_MATTERS: Final = 256 * 1024
SCRATCH: Final = frozenset({"__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini", "__pycache__"})
"""What operating systems leave in archives; left out without a word."""

COMPONENT_FOLDERS: Final = frozenset(
    {".claude-plugin", "skills", "agents", "commands", "hooks", "scripts"}
)
ENCRYPTED: Final = 0x1 | 0x40 | 0x2000
ENTRY_MARK: Final = b"PK\x01\x02"
ZIP_MARKS: Final = (b"PK\x03\x04", b"PK\x05\x06")
ARCHIVE_MARKS: Final[Mapping[bytes, str]] = {
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!\x1a\x07": "rar",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"MSCF": "cab",
    b"!<arch>\n": "ar",
}
ARCHIVE_NAME: Final = re.compile(
    r"\.(zip|jar|war|whl|egg|tar|tgz|tbz2?|txz|gz|bz2|xz|7z|rar|zst|cab|iso|dmg|mcpb|dxt)$", re.I
)


class BadBundle(AgnesError):
    """An upload that cannot be taken; `details` name the rule and, where there is one, the file."""

    code: ClassVar[str] = "bad_bundle"
    status: ClassVar[int] = 422

    def __init__(self, rule: str, message: str, *, fix: str, file: str = "") -> None:
        super().__init__(message, fix=fix, details={"rule": rule, "file": file})


class BundleTooLarge(BadBundle):
    code: ClassVar[str] = "bundle_too_large"
    status: ClassVar[int] = 413


def read_upload(content: bytes, *, file_name: str = "") -> Bundle:
    """The bundle in a zip, or of a single Markdown file under `file_name`. Raises BadBundle."""
    if len(content) > LARGEST_UPLOAD:
        raise upload_too_large()
    if content.startswith(ZIP_MARKS):
        return read_zip(content)
    if not content.strip():
        raise BadBundle("empty", "The upload is empty.", fix="Send a zip or a Markdown file.")
    kind = _archive_kind(content)
    text = b"\0" not in content and _is_utf8(content)
    if kind or not text:
        what = f"a {kind} archive" if kind else "neither a zip nor text in UTF-8"
        raise BadBundle("wrong-type", f"The upload is {what}.", fix="Send a zip or Markdown.")
    if len(content) > LARGEST_FILE:
        raise _file_too_large(file_name or "SKILL.md")
    name = file_name.replace("\\", "/").rpartition("/")[2] or "SKILL.md"
    if not name.lower().endswith(".md"):
        raise BadBundle(
            "wrong-type",
            f"The file {shown(name)} is neither a zip nor Markdown.",
            fix="Send a zip, or a file whose name ends in .md.",
        )
    _check_path(name)
    return Bundle.of({name: content})


def upload_too_large() -> BundleTooLarge:
    return BundleTooLarge(
        "too-large",
        f"The upload is larger than {LARGEST_UPLOAD // 1024**2} MiB.",
        fix="Leave out what the skill, agent or plugin does not need to run.",
    )


def read_zip(content: bytes) -> Bundle:
    """The files of a zip, without the one folder that may be around all. Raises BadBundle."""
    if content.count(ENTRY_MARK) > 10 * MOST_FILES:
        raise _too_many()
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            entries = [entry for entry in archive.infolist() if not _is_scratch(entry)]
            paths = _checked_paths(entries)
            files = {path: _content(archive, entry, path) for path, entry in paths.items()}
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, ValueError) as error:
        raise BadBundle(
            "broken-zip", f"The zip is broken: {shown(str(error))}.", fix="Pack it again."
        ) from error
    except (NotImplementedError, RuntimeError) as error:
        raise BadBundle(
            "unknown-zip", f"The zip cannot be read: {shown(str(error))}.", fix=_PACK_PLAINLY
        ) from error
    if not files:
        raise BadBundle("empty", "The zip holds no file.", fix="Pack the folder's content.")
    executables = {path for path, entry in paths.items() if is_executable(entry)}
    return _without_outer_folder(files, executables)


_PACK_PLAINLY: Final = "Pack it again without a password, with ordinary compression."


def _is_scratch(entry: zipfile.ZipInfo) -> bool:
    return bool(SCRATCH.intersection(entry.filename.split("/")))


def _checked_paths(entries: list[zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
    """The files of the archive by their paths, once all that is known before unpacking is good."""
    paths: dict[str, zipfile.ZipInfo] = {}
    seen: set[str] = set()
    for entry in entries:
        path = _path_of(entry)
        _check_path(path.rstrip("/") if entry.is_dir() else path)
        if entry.is_dir():
            continue
        _check_kind(entry, path)
        # They would overwrite each other on some laptops.
        if _spelling(path) in seen:
            text = f"The zip holds {shown(path)} twice, or in two spellings."
            raise BadBundle("duplicate", text, fix="Keep one of them.", file=path)
        seen.add(_spelling(path))
        paths[path] = entry
        if len(paths) > MOST_FILES:
            raise _too_many()
    _check_sizes(paths)
    for path in paths:
        _check_parents(path, seen)
    return paths


def _path_of(entry: zipfile.ZipInfo) -> str:
    """The name as it stands in the archive; zipfile itself would cut it at a NUL."""
    name = entry.orig_filename
    if entry.flag_bits & 0x800 or name.isascii():
        return name
    try:
        # Archivers that write UTF-8 without saying so are common.
        return name.encode("cp437").decode("utf-8")
    except UnicodeError:
        return name


def _check_path(path: str) -> None:
    problem = path_problem(path)
    if problem:
        rule, text = problem
        fix = "Give it a plain relative path and pack again."
        raise BadBundle(rule, f"The file {shown(path)} {text}.", fix=fix, file=shown(path))


def _spelling(path: str) -> str:
    """The same for names that file systems of laptops take for one: case and accents differ."""
    composed = unicodedata.normalize("NFC", path).casefold()
    return unicodedata.normalize("NFC", composed)


def path_problem(path: str) -> tuple[str, str] | None:
    """The rule that a path breaks and how, as the end of a sentence; None for a plain one."""
    parts = path.split("/")
    if UNSEEN.search(path) or any("\ud800" <= sign <= "\udfff" for sign in path):
        return "control-characters", "has control or invisible characters in its name"
    if "\\" in path or ":" in path:
        return "path", "has a backslash or a colon in its name"
    if path.startswith(("/", "~")):
        return "absolute-path", "has an absolute path"
    if ".." in parts:
        return "traversal", "leaves the folder it is unpacked in"
    if any(part in {"", "."} or part != part.strip() for part in parts):
        return "path", "has an empty part, a dot or blanks at an end in its path"
    if any(GIT_OWN.fullmatch(part.lower().rstrip(". ")) for part in parts):
        return "git-folder", "has a name that git itself obeys"
    if any(_is_no_name_on_windows(part) for part in parts):
        return "windows-name", "has a name that no file can have on Windows"
    if len(parts) > DEEPEST:
        return "depth", f"lies more than {DEEPEST} folders deep"
    if len(path) > LONGEST_PATH or any(_is_long(part) for part in parts):
        return "long-path", "has a path that is too long"
    return None


def _is_no_name_on_windows(part: str) -> bool:
    if set('<>"|?*').intersection(part) or part.endswith("."):
        return True
    return DEVICES.match(part.lower()) is not None


def _is_long(part: str) -> bool:
    return len(part) > LONGEST_PART or len(part.encode()) > MOST_PART_BYTES


def _check_kind(entry: zipfile.ZipInfo, path: str) -> None:
    mode = entry.external_attr >> 16 if entry.create_system == 3 else 0
    if stat.S_IFMT(mode) not in {0, stat.S_IFREG}:
        text = f"{shown(path)} is a symbolic link or another special file."
        raise BadBundle("symlink", text, fix="Replace it by the file itself.", file=path)
    if entry.flag_bits & ENCRYPTED:
        text = f"{shown(path)} is encrypted."
        raise BadBundle("encrypted", text, fix=_PACK_PLAINLY, file=path)
    if entry.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        text = f"{shown(path)} is compressed in an unusual way."
        raise BadBundle("compression", text, fix=_PACK_PLAINLY, file=path)


def _check_sizes(paths: dict[str, zipfile.ZipInfo]) -> None:
    total = 0
    for path, entry in paths.items():
        total += entry.file_size
        bloated = entry.file_size > max(entry.compress_size, 1) * MOST_EXPANSION
        if bloated and entry.file_size > EXPANSION_MATTERS:
            text = (
                f"{shown(path)} unpacks to more than {MOST_EXPANSION} times its size, as bombs do."
            )
            raise BundleTooLarge("zip-bomb", text, fix="Leave the file out.", file=path)
        if entry.file_size > LARGEST_FILE:
            raise _file_too_large(path)
        if total > LARGEST_TREE:
            raise BundleTooLarge(
                "too-large",
                f"The zip unpacks to more than {LARGEST_TREE // 1024**2} MiB.",
                fix="Leave out what is not needed to run.",
            )


def _check_parents(path: str, files: set[str]) -> None:
    parts = _spelling(path).split("/")
    for end in range(1, len(parts)):
        if "/".join(parts[:end]) in files:
            text = f"The zip holds a file and a folder of the same name: {shown(path)}."
            raise BadBundle("duplicate", text, fix="Rename one of them.", file=path)


def _content(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: str) -> bytes:
    with archive.open(entry) as file:
        # What a header says about sizes need not be true.
        content = file.read(entry.file_size + 1)
    if len(content) != entry.file_size:
        raise zipfile.BadZipFile(f"{path} has another size than it says")
    kind = _archive_kind(content)
    if kind or ARCHIVE_NAME.search(path):
        text = f"{shown(path)} is an archive itself" + (f" ({kind})." if kind else ".")
        raise BadBundle("nested-archive", text, fix="Unpack it, or leave it out.", file=path)
    return content


def _archive_kind(content: bytes) -> str:
    """What kind of archive the bytes are; empty for anything else."""
    if content[257:262] == b"ustar":
        return "tar"
    return next((kind for mark, kind in ARCHIVE_MARKS.items() if content.startswith(mark)), "")


def _without_outer_folder(files: dict[str, bytes], executables: set[str]) -> Bundle:
    tops = {path.partition("/")[0] for path in files}
    (top,) = tops if len(tops) == 1 else ("",)
    if not top or top in files or top in COMPONENT_FOLDERS:
        return Bundle.of(files, frozenset(executables))
    cut = len(top) + 1
    inner = {path[cut:]: content for path, content in files.items()}
    return Bundle.of(inner, frozenset(path[cut:] for path in executables))


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def _too_many() -> BundleTooLarge:
    return BundleTooLarge(
        "too-many-files",
        f"The zip holds more than {MOST_FILES} files.",
        fix="Leave out what is not needed to run.",
    )


def _file_too_large(path: str) -> BundleTooLarge:
    return BundleTooLarge(
        "file-too-large",
        f"{shown(path)} is larger than {LARGEST_FILE // 1024**2} MiB.",
        fix="Shorten it, or leave it out.",
        file=path,
    )
