"""What names the content of a file and of a session: hashes over the hashes of their parts."""

import hashlib
from collections.abc import Iterable


def file_digest(hashes: Iterable[str]) -> str:
    """`TranscriptFile.content_hash` for the hashes of all its revisions."""
    # Sorted, so that the order in which revisions arrived does not show.
    return hashlib.sha256("".join(sorted(hashes)).encode()).hexdigest()


def session_digest(files: Iterable[tuple[str, str]]) -> str:
    """`Session.content_hash` for the (name, content hash) of all its files."""
    hasher = hashlib.sha256()
    for name, digest in sorted(files):
        hasher.update(f"{digest} {name}\n".encode())
    return hasher.hexdigest()
