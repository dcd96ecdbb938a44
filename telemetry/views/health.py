"""Is the process alive, can it serve, does the worker work: for orchestrators and monitors."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from telemetry.mirror_trouble import mirror_trouble, published_at
from telemetry.worker_trouble import last_beat, worker_silence


@dataclass(frozen=True)
class Finding:
    ok: bool
    message: str


@never_cache
@require_safe
def livez(request: HttpRequest) -> JsonResponse:
    """Alive; touches neither database nor disk, so that a slow database restarts nothing."""
    return JsonResponse({"status": "alive"})


@never_cache
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """503 unless requests can be served. The mirror's state is told and never makes it fail."""
    checks: dict[str, Callable[[], Finding]] = {
        "database": check_database,
        "migrations": check_migrations,
        "data_dir": check_data_dir,
        "disk": check_disk,
    }
    findings: dict[str, Finding] = {}
    for name, check in checks.items():
        try:
            findings[name] = check()
        except DatabaseError as error:
            findings[name] = Finding(False, f"The database does not answer: {error}")
    ready = all(finding.ok for finding in findings.values())
    body = {
        "status": "ready" if ready else "not ready",
        "checks": {
            name: {"ok": finding.ok, "message": finding.message}
            for name, finding in findings.items()
        },
        "mirror": mirror_state(now=timezone.now()),
    }
    return JsonResponse(body, status=200 if ready else 503)


@never_cache
@require_safe
def worker_healthz(request: HttpRequest) -> JsonResponse:
    """503 when the worker was silent for longer than `worker_silence`, or never beat.

    200 and a note where the heartbeat is switched off, since nothing can be known.
    """
    now = timezone.now()
    silence = worker_silence()
    if silence is None:
        return JsonResponse(
            {
                "status": "unknown",
                "message": "SCHEDULER_HEARTBEAT_INTERVAL=0 switches the heartbeat off: set it to "
                "60, and run ensure_schedules, to watch the worker.",
                "heartbeat_age_seconds": None,
            }
        )
    try:
        beat_at = last_beat()
    except DatabaseError as error:
        return _worker_answer(None, f"The database does not answer: {error}")
    if beat_at is None:
        return _worker_answer(None, "No worker has ever beaten: start one with qcluster.")
    age = (now - beat_at).total_seconds()
    if now - beat_at > silence:
        return _worker_answer(age, "The worker is silent: restart it.")
    return _worker_answer(age, "")


def _worker_answer(age: float | None, problem: str) -> JsonResponse:
    body = {
        "status": "silent" if problem else "working",
        "message": problem,
        "heartbeat_age_seconds": None if age is None else round(age, 1),
    }
    return JsonResponse(body, status=503 if problem else 200)


def check_database() -> Finding:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return Finding(True, "")


def check_migrations() -> Finding:
    executor = MigrationExecutor(connection)
    waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if waiting:
        return Finding(False, f"{len(waiting)} migrations are not applied: run manage.py migrate.")
    return Finding(True, "")


def check_data_dir() -> Finding:
    folder: Path = settings.AGNES_DATA_DIR
    if folder.is_dir() and os.access(folder, os.W_OK | os.X_OK):
        return Finding(True, "")
    return Finding(False, "AGNES_DATA_DIR cannot be written: give it to the user Agnes runs as.")


def check_disk() -> Finding:
    """Room for two of the largest uploads: the transcript, and what is derived from it."""
    folder: Path = settings.AGNES_DATA_DIR
    if not folder.is_dir():
        return Finding(False, "AGNES_DATA_DIR does not exist.")
    needed = 2 * settings.AGNES_UPLOAD_MAX_BYTES
    free = shutil.disk_usage(folder).free
    if free < needed:
        return Finding(
            False, f"Only {free // 1024**2} MiB are free under AGNES_DATA_DIR: make room."
        )
    return Finding(True, f"{free // 1024**2} MiB free")


def mirror_state(*, now: datetime) -> dict[str, Any]:
    """`age_seconds` since the mirror was published last, null when there is none, and `problem`,
    a sentence with the fix or empty."""
    published = published_at()
    try:
        trouble = mirror_trouble()
    except DatabaseError:
        trouble = None  # told by the database's own check
    return {
        "age_seconds": None if published is None else round((now - published).total_seconds(), 1),
        "problem": f"{trouble.message} {trouble.fix}".strip() if trouble else "",
    }
