"""Which server this machine sends to, and the token it does so with."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from agnes_cli.errors import NotSignedIn, UsageError
from agnes_cli.folders import agnes_folder, read_json, write_json

TOKEN = re.compile(r"agn_[0-9A-Za-z]{49}")
LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


class Credentials(NamedTuple):
    url: str
    token: str
    username: str = ""

    def __repr__(self) -> str:
        return f"Credentials(url={self.url!r}, username={self.username!r})"


def credentials_file() -> Path:
    return agnes_folder() / "credentials.json"


def load_credentials() -> Credentials:
    """AGNES_URL and AGNES_TOKEN go before the file. Raises NotSignedIn."""
    stored = read_json(credentials_file())
    url = os.environ.get("AGNES_URL") or str(stored.get("url") or "")
    # A token is only ever sent to the server it was given for.
    token = os.environ.get("AGNES_TOKEN") or (
        str(stored.get("token") or "") if url == stored.get("url") else ""
    )
    if not url or not token:
        raise NotSignedIn("This machine is not signed in.", fix="Run: agnes login https://SERVER")
    return Credentials(checked_url(url), token, str(stored.get("username") or ""))


def save_credentials(credentials: Credentials) -> None:
    write_json(credentials_file(), credentials._asdict())


def forget_credentials() -> bool:
    """Whether there were any."""
    try:
        credentials_file().unlink()
    except FileNotFoundError:
        return False
    return True


def checked_url(url: str) -> str:
    """The server's address without a slash at its end. Raises UsageError."""
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise UsageError(
            f"{url!r} is not the address of a server.", fix="Write https://agnes.example.org"
        )
    if parts.username or parts.password:
        raise UsageError("An address holds no password.", fix="Leave out what is before the @.")
    if parts.scheme == "http" and parts.hostname not in LOCAL:
        raise UsageError(
            f"{parts.hostname} would be sent the token unencrypted.", fix="Write https://"
        )
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def checked_token(text: str) -> str:
    """Raises UsageError, without repeating what was given."""
    token = text.strip()
    if not TOKEN.fullmatch(token):
        raise UsageError(
            "This is not an access token.", fix="It begins with agn_ and has 53 signs; paste all."
        )
    return token
