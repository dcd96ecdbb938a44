import os
import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from telemetry import mirror
from telemetry.models import Heartbeat
from telemetry.worker_trouble import WORKER


@pytest.fixture(autouse=True)
def _data_dir(settings: Settings, tmp_path: Path) -> None:
    settings.AGNES_DATA_DIR = tmp_path
    settings.AGNES_MIRROR_DIR = tmp_path / "mirror"
    settings.AGNES_UPLOAD_MAX_BYTES = 1
    cache.clear()


# Without the django_db mark a query would fail the test.
def test_livez_answers_without_a_database(client: Client) -> None:
    response = client.get("/livez")
    assert (response.status_code, response.json()) == (200, {"status": "alive"})
    assert "no-store" in response.headers["Cache-Control"]


@pytest.mark.django_db
def test_readyz_is_ready_without_a_mirror_and_says_that_there_is_none(
    client: Client, tmp_path: Path
) -> None:
    (tmp_path / "mirror").mkdir()
    # What the writer works on is nothing that anybody can read.
    (tmp_path / "mirror" / "build.duckdb").write_bytes(b"")
    response = client.get("/readyz")
    assert response.status_code == 200, response.content
    told = response.json()["mirror"]
    assert told["age_seconds"] is None
    assert "There is no mirror" in told["problem"]
    assert "usage_mirror rebuild" in told["problem"]


@pytest.mark.django_db
def test_readyz_tells_the_age_of_the_published_mirror_alone(client: Client, tmp_path: Path) -> None:
    mirror.sync(now=timezone.now())
    published = time.time() - 120
    os.utime(tmp_path / "mirror" / "agnes.duckdb", (published, published))
    told = client.get("/readyz").json()["mirror"]
    assert 120 <= told["age_seconds"] < 180
    assert told["problem"] == ""


@pytest.mark.django_db
def test_readyz_refuses_while_a_migration_is_waiting(client: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'accounts'")
    response = client.get("/readyz")
    assert response.status_code == 503
    check = response.json()["checks"]["migrations"]
    assert not check["ok"]
    assert "manage.py migrate" in check["message"]


@pytest.mark.django_db
def test_readyz_refuses_without_its_data_folder(client: Client, settings: Settings) -> None:
    settings.AGNES_DATA_DIR = settings.AGNES_DATA_DIR / "missing"
    response = client.get("/readyz")
    assert response.status_code == 503
    checks = response.json()["checks"]
    assert [name for name in checks if not checks[name]["ok"]] == ["data_dir", "disk"]


@pytest.mark.django_db
def test_readyz_refuses_when_the_disk_cannot_take_another_upload(
    client: Client, settings: Settings
) -> None:
    settings.AGNES_UPLOAD_MAX_BYTES = 2**60
    response = client.get("/readyz")
    assert response.status_code == 503
    assert not response.json()["checks"]["disk"]["ok"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("silence", "status"),
    [(timedelta(seconds=1), 200), (timedelta(seconds=170), 200), (timedelta(seconds=190), 503)],
)
def test_a_worker_may_be_silent_for_three_minutes(
    client: Client, silence: timedelta, status: int
) -> None:
    Heartbeat.objects.create(name=WORKER, beat_at=timezone.now() - silence)
    # Another name's beat is no sign of the worker.
    Heartbeat.objects.create(name="other", beat_at=timezone.now())
    assert client.get("/healthz/worker").status_code == status


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("interval", "allowed"),
    [
        (1, timedelta(minutes=3)),
        (90, timedelta(minutes=6)),  # the queue makes two minutes of it
        (600, timedelta(minutes=30)),
    ],
)
def test_a_worker_that_beats_less_often_may_be_silent_for_longer(
    client: Client, settings: Settings, interval: int, allowed: timedelta
) -> None:
    settings.SCHEDULER_HEARTBEAT_INTERVAL = interval
    beat = Heartbeat.objects.create(name=WORKER, beat_at=timezone.now() - allowed)
    assert client.get("/healthz/worker").status_code == 503
    Heartbeat.objects.filter(pk=beat.pk).update(
        beat_at=timezone.now() - allowed + timedelta(seconds=10)
    )
    assert client.get("/healthz/worker").status_code == 200


@pytest.mark.django_db
def test_a_heartbeat_that_is_off_says_nothing_about_the_worker(
    client: Client, settings: Settings
) -> None:
    settings.SCHEDULER_HEARTBEAT_INTERVAL = 0
    Heartbeat.objects.create(name=WORKER, beat_at=timezone.now() - timedelta(days=9))
    response = client.get("/healthz/worker")
    assert (response.status_code, response.json()["status"]) == (200, "unknown")
    assert "SCHEDULER_HEARTBEAT_INTERVAL=0" in response.json()["message"]


@pytest.mark.django_db
def test_a_worker_that_never_beat_is_silent(client: Client) -> None:
    response = client.get("/healthz/worker")
    assert response.status_code == 503
    assert response.json()["heartbeat_age_seconds"] is None
