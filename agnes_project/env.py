"""Strict reading of environment variables.

Every reader returns a typed value or raises `EnvError`, whose sentence names the variable, the
value it found and what to write instead. An unset or empty variable means the default.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

TRUE_WORDS = frozenset({"1", "true", "yes", "on"})
FALSE_WORDS = frozenset({"0", "false", "no", "off"})

# The libpq connection options an operator may set in DATABASE_URL; a typo must not pass silently.
POSTGRES_OPTIONS = frozenset(
    {
        "application_name",
        "channel_binding",
        "connect_timeout",
        "host",
        "keepalives",
        "keepalives_count",
        "keepalives_idle",
        "keepalives_interval",
        "options",
        "sslcert",
        "sslcrl",
        "sslkey",
        "sslmode",
        "sslrootcert",
        "target_session_attrs",
        "tcp_user_timeout",
    }
)


class EnvError(ImproperlyConfigured):
    """An environment variable holds a value Agnes cannot use."""

    def __init__(self, name: str, value: str, fix: str) -> None:
        super().__init__(f"{name}={value!r} cannot be used: {fix}")


class Env:
    """Typed access to one mapping of environment variables."""

    def __init__(self, variables: Mapping[str, str] | None = None) -> None:
        self._variables = os.environ if variables is None else variables

    def text(self, name: str, default: str = "") -> str:
        return self._variables.get(name, "").strip() or default

    def secret(self, name: str, *, least: int, fix: str) -> str:
        """A text of at least so many characters, which no error shows; empty when unset."""
        raw = self.text(name)
        if raw and len(raw) < least:
            raise EnvError(name, "***", f"it is shorter than {least} characters. {fix}")
        return raw

    def flag(self, name: str, *, default: bool) -> bool:
        raw = self.text(name)
        if not raw:
            return default
        if raw.lower() in TRUE_WORDS:
            return True
        if raw.lower() in FALSE_WORDS:
            return False
        raise EnvError(name, raw, "write true or false.")

    def integer(
        self, name: str, *, default: int, minimum: int | None = None, maximum: int | None = None
    ) -> int:
        raw = self.text(name)
        if not raw:
            return default
        try:
            value = int(raw)
        except ValueError:
            raise EnvError(name, raw, f"write a whole number such as {default}.") from None
        if minimum is not None and value < minimum:
            raise EnvError(name, raw, f"write a whole number of at least {minimum}.")
        if maximum is not None and value > maximum:
            raise EnvError(name, raw, f"write a whole number of at most {maximum}.")
        return value

    def choice(self, name: str, *, default: str, choices: tuple[str, ...]) -> str:
        raw = self.text(name, default)
        for choice in choices:
            if raw.lower() == choice.lower():
                return choice
        raise EnvError(name, raw, f"write one of {', '.join(choices)}.")

    def names(self, name: str, *, default: tuple[str, ...] = ()) -> list[str]:
        """A comma-separated list; blanks around and between the commas are dropped."""
        parts = [part.strip() for part in self.text(name).split(",")]
        return [part for part in parts if part] or list(default)

    def beginning_with(self, prefix: str) -> dict[str, str]:
        """The variables that are set and whose name begins so, by name."""
        names = (name for name in self._variables if name.startswith(prefix))
        return {name: value for name in names if (value := self.text(name))}

    def origins(self, name: str) -> list[str]:
        """Comma-separated web origins, each with its scheme and without a path."""
        origins = self.names(name)
        for origin in origins:
            parts = urlsplit(origin)
            if parts.scheme not in {"http", "https"} or not parts.netloc or parts.path:
                raise EnvError(name, origin, "write origins such as https://agnes.example.org.")
        return origins

    def folder(self, name: str, *, default: Path) -> Path:
        """An absolute path; a relative one counts from the folder the process was started in."""
        return self.optional_folder(name) or default.resolve()

    def optional_folder(self, name: str) -> Path | None:
        """As `folder`; None when the variable is unset."""
        raw = self.text(name)
        return Path(raw).expanduser().resolve() if raw else None

    def url(self, name: str) -> str:
        """An http or https address without a trailing slash; empty when unset."""
        raw = self.text(name)
        if not raw:
            return ""
        parts = urlsplit(raw)
        if parts.scheme not in {"http", "https"} or not parts.netloc:
            raise EnvError(name, raw, "write an address such as https://s3.example.org.")
        return raw.rstrip("/")

    def postgres(self, name: str) -> dict[str, Any] | None:
        """Django's DATABASES entry for a postgres:// address; None when the variable is unset.

        A password may stand in the address, so errors show the address without it.
        """
        raw = self.text(name)
        if not raw:
            return None
        shown = _without_password(raw)
        example = "write postgresql://user:password@host:5432/database, or leave it unset."
        try:
            parts = urlsplit(raw)
            port = parts.port
        except ValueError:
            raise EnvError(name, shown, example) from None
        if parts.scheme not in {"postgres", "postgresql"}:
            raise EnvError(name, shown, f"only PostgreSQL addresses are understood: {example}")
        if parts.fragment:
            raise EnvError(name, shown, "write # in a password as %23.")
        database = unquote(parts.path.removeprefix("/"))
        if not database or "/" in database:
            raise EnvError(name, shown, f"the database's name is missing: {example}")
        options = _postgres_options(name, shown, parts)
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": database,
            "USER": unquote(parts.username or ""),
            "PASSWORD": unquote(parts.password or ""),
            "HOST": options.pop("host", unquote(parts.hostname or "")),
            "PORT": str(port or ""),
            "OPTIONS": options,
        }


def _postgres_options(name: str, shown: str, parts: SplitResult) -> dict[str, Any]:
    try:
        pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        raise EnvError(name, shown, "write options as ?key=value&key=value.") from None
    options: dict[str, Any] = {}
    for key, value in pairs:
        if key not in POSTGRES_OPTIONS:
            known = ", ".join(sorted(POSTGRES_OPTIONS))
            raise EnvError(name, shown, f"the option {key!r} is not known; known are {known}.")
        if key in options or not value:
            raise EnvError(name, shown, f"give the option {key!r} once and with a value.")
        options[key] = value
    return options


def _without_password(address: str) -> str:
    """The address with whatever may be a password replaced, for error messages; works on broken
    addresses, such as one with a single slash or colon too few."""
    head, at, tail = address.rpartition("@")
    # A password in the options, as of a libpq address.
    tail = re.sub(r"(?i)(password|passfile)=[^&]*", r"\1=***", tail if at else address)
    if not at:
        return re.sub(r"(//[^/:?]*):(?!\d*(?:[/?]|$))[^/?]*", r"\1:***", tail)
    # Up to the first colon that is not the scheme's there can be no password.
    scheme = re.match(r"[A-Za-z][A-Za-z0-9+.-]*:?/*", head)
    start = scheme[0] if scheme and "/" in scheme[0] else ""
    user = head[len(start) :].split(":", 1)[0]
    return f"{start}{user}:***@{tail}" if ":" in head[len(start) :] else f"{start}***@{tail}"
