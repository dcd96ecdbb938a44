"""Why a repository could not be fetched or read: sentences without secrets."""

import re
from collections.abc import Iterable
from typing import ClassVar, Final

from accounts.errors import AgnesError

CREDENTIALS: Final = re.compile(r"//[^/\s@]*@")


class GitFailed(AgnesError):
    """git could not do it, for a reason of its own."""

    code: ClassVar[str] = "git_failed"
    status: ClassVar[int] = 502


class GitMissing(AgnesError):
    code: ClassVar[str] = "git_missing"
    status: ClassVar[int] = 503


class RepositoryNotFound(AgnesError):
    code: ClassVar[str] = "repository_not_found"
    status: ClassVar[int] = 422


class AccessDenied(AgnesError):
    code: ClassVar[str] = "repository_access_denied"
    status: ClassVar[int] = 422


class Redirected(AgnesError):
    code: ClassVar[str] = "repository_redirects"
    status: ClassVar[int] = 422


class RefUnknown(AgnesError):
    code: ClassVar[str] = "ref_unknown"
    status: ClassVar[int] = 422


class TooLarge(AgnesError):
    """More than the limits of bytes, files, depth or name length allow."""

    code: ClassVar[str] = "repository_too_large"
    status: ClassVar[int] = 422


class TookTooLong(AgnesError):
    code: ClassVar[str] = "repository_took_too_long"
    status: ClassVar[int] = 504


MEANINGS: Final[tuple[tuple[str, type[AgnesError], str, str], ...]] = (
    (
        r"fsck error",
        GitFailed,
        "The repository holds objects that git finds damaged or harmful.",
        "Have its owner run git fsck and mend it.",
    ),
    (
        r"returned error: 30\d|redirect",
        Redirected,
        "The address leads on to another one, which is not followed.",
        "Register the address that the repository has now.",
    ),
    (
        r"could not read username|authentication failed|returned error: 40[137]|access denied",
        AccessDenied,
        "The repository does not let Agnes in.",
        "Give a token that may read it.",
    ),
    (
        r"returned error: 404|repository '.*' not found|does not appear to be a git repository"
        r"|repository not found|no such file or directory",
        RepositoryNotFound,
        "There is no repository at this address, or it is hidden from Agnes.",
        "Check the address; a private repository needs a token.",
    ),
    (
        r"couldn't find remote ref|not our ref|unadvertised object|no such ref|remote error: want",
        RefUnknown,
        "The repository has no such branch, tag or commit.",
        "Check the branch, tag or commit.",
    ),
    (
        r"transport '.*' not allowed",
        GitFailed,
        "This kind of address is not fetched from.",
        "Register the repository's https:// address.",
    ),
)


def failure(stderr: str, secrets: Iterable[str]) -> AgnesError:
    """What git's words mean, with what to do about it."""
    lowered = stderr.lower()
    for pattern, kind, message, fix in MEANINGS:
        if re.search(pattern, lowered):
            return kind(message, fix=fix)
    told = scrub(stderr, secrets).strip().split("\n")
    last = next((line for line in reversed(told) if line.strip()), "no reason given")
    return GitFailed(
        f"git failed: {last[:300].rstrip('.')}.", fix="Try again; look at the repository's host."
    )


def too_large() -> TooLarge:
    return TooLarge(
        "The repository is larger than the limit.",
        fix="Raise AGNES_MARKETPLACE_MAX_BYTES, or take large files out of it.",
    )


def took_too_long() -> TookTooLong:
    return TookTooLong(
        "The repository's host took too long.",
        fix="Try again later, or raise AGNES_MARKETPLACE_SYNC_SECONDS.",
    )


def scrub(text: str, secrets: Iterable[str]) -> str:
    """The text without the secrets, credentials in addresses, and control characters."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "***")
    text = CREDENTIALS.sub("//***@", text)
    return "".join(sign for sign in text if sign.isprintable() or sign == "\n")
