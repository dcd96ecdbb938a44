"""System checks of the configuration; each message names the setting and the fix."""

import os
import shlex
import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

from agnes_project.private_files import is_open_to_others

# 3.35 brought RETURNING and fast DROP COLUMN; older ones also miss fixes to WAL and upserts.
OLDEST_SQLITE = (3, 35, 0)
LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]", "testserver", ".localhost"})
RETENTION_SETTINGS = (
    "USAGE_EVENTS_RETENTION_DAYS",
    "USAGE_RESPONSES_RETENTION_DAYS",
    "USAGE_TRANSCRIPTS_RETENTION_DAYS",
    "USAGE_DAILY_RETENTION_DAYS",
    "USAGE_QUESTIONS_RETENTION_DAYS",
)


@register
def check_data_dir(**kwargs: Any) -> list[CheckMessage]:
    folder: Path = settings.AGNES_DATA_DIR
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK | os.X_OK)
    except OSError:
        writable = False
    if writable:
        return []
    return [
        Error(
            f"AGNES_DATA_DIR={str(folder)!r} cannot be written.",
            hint="Give this folder to the user Agnes runs as, or set AGNES_DATA_DIR to another.",
            id="agnes.E001",
        )
    ]


@register
def check_private_files(**kwargs: Any) -> list[CheckMessage]:
    if not is_open_to_others(settings.AGNES_DATA_DIR):
        return []  # nobody gets at what is in it
    paths: list[Path] = [settings.AGNES_DATA_DIR]
    if "sqlite" in settings.DATABASES["default"]["ENGINE"]:
        paths.append(Path(settings.DATABASES["default"]["NAME"]))
    return [
        Warning(
            f"{str(path)!r} is open to other users of this machine; it holds what people wrote.",
            hint=f"Run chmod go-rwx {shlex.quote(str(path))} as its owner, or set AGNES_DATA_DIR "
            "to a folder of Agnes's own.",
            id="agnes.W002",
        )
        for path in paths
        if is_open_to_others(path)
    ]


@register
def check_retention(**kwargs: Any) -> list[CheckMessage]:
    return [
        Error(
            f"{name}={getattr(settings, name)} is negative.",
            hint=f"Set {name} to a number of days, or to 0 to keep for ever.",
            id="agnes.E002",
        )
        for name in RETENTION_SETTINGS
        if getattr(settings, name) < 0
    ]


@register
def check_transcript_storage(**kwargs: Any) -> list[CheckMessage]:
    if settings.AGNES_TRANSCRIPT_STORAGE != "s3":
        return []
    messages: list[CheckMessage] = []
    if not settings.AGNES_S3_BUCKET:
        messages.append(
            Error(
                "AGNES_TRANSCRIPT_STORAGE=s3 needs a bucket, and AGNES_S3_BUCKET is not set.",
                hint="Set AGNES_S3_BUCKET, or AGNES_TRANSCRIPT_STORAGE=local.",
                id="agnes.E003",
            )
        )
    keys = (settings.AGNES_S3_ACCESS_KEY_ID, settings.AGNES_S3_SECRET_ACCESS_KEY)
    if any(keys) and not all(keys):
        messages.append(
            Error(
                "Only one of AGNES_S3_ACCESS_KEY_ID and AGNES_S3_SECRET_ACCESS_KEY is set.",
                hint="Set both, or neither to use the machine's own role.",
                id="agnes.E004",
            )
        )
    return messages


@register
def check_debug(**kwargs: Any) -> list[CheckMessage]:
    public = [host for host in settings.ALLOWED_HOSTS if host not in LOCAL_HOSTS]
    if not settings.DEBUG or not public:
        return []
    return [
        Error(
            f"AGNES_DEBUG is on while AGNES_ALLOWED_HOSTS names {', '.join(public)}.",
            hint="Unset AGNES_DEBUG: its error pages show settings and data to strangers.",
            id="agnes.E005",
        )
    ]


@register
def check_sqlite_version(**kwargs: Any) -> list[CheckMessage]:
    if "sqlite" not in settings.DATABASES["default"]["ENGINE"]:
        return []
    if sqlite3.sqlite_version_info >= OLDEST_SQLITE:
        return []
    needed = ".".join(map(str, OLDEST_SQLITE))
    return [
        Error(
            f"SQLite {sqlite3.sqlite_version} is too old; Agnes needs {needed} or newer.",
            hint="Use a Python built with a newer SQLite, or set DATABASE_URL to PostgreSQL.",
            id="agnes.E006",
        )
    ]


@register
def check_https(**kwargs: Any) -> list[CheckMessage]:
    public = [host for host in settings.ALLOWED_HOSTS if host not in LOCAL_HOSTS]
    if settings.AGNES_HTTPS or not public:
        return []
    return [
        Warning(
            f"AGNES_ALLOWED_HOSTS names {', '.join(public)} while AGNES_HTTPS is off.",
            hint="Put Agnes behind https and set AGNES_HTTPS=true, so that cookies stay private.",
            id="agnes.W001",
        )
    ]


@register
def check_model_address(**kwargs: Any) -> list[CheckMessage]:
    address = urlsplit(settings.AGNES_ANTHROPIC_BASE_URL)
    if address.scheme == "https" or address.hostname in {"localhost", "127.0.0.1", "::1"}:
        return []
    return [
        Warning(
            f"AGNES_ANTHROPIC_BASE_URL={settings.AGNES_ANTHROPIC_BASE_URL} is not https.",
            hint="The key and questions would go over the network in the clear: use https.",
            id="agnes.W003",
        )
    ]
