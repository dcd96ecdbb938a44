"""A block of the published file is damaged: it still opens, and whoever reads it tells."""

import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from accounts.models import User
from telemetry import mirror
from telemetry.mirror.publish import BLOCK_BYTES, HEADER_BYTES
from telemetry.mirror.sandbox import run
from telemetry.mirror_trouble import find_trouble, mirror_trouble
from tests.telemetry.usage_rows import fill_session, make_session, make_user

pytestmark = pytest.mark.django_db(transaction=True)
NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
URL = "/api/admin/usage/export"


@pytest.fixture
def published(mirror_folder: Path) -> Path:
    """Published, and every block of rows damaged; what opening reads is whole."""
    cache.clear()
    fill_session(make_session(make_user("ada"), "s1"))
    mirror.sync(now=NOW)
    path = mirror.published_path()
    whole = path.read_bytes()
    for offset in range(HEADER_BYTES, len(whole), BLOCK_BYTES):
        changed = bytearray(whole)
        changed[offset + 4000 : offset + 4016] = b"no rows any more"
        path.write_bytes(changed)
        mirror.close()
        if mirror.status().problem == "" and _reads_badly():
            break
        path.write_bytes(whole)
    else:
        raise AssertionError("no block holds rows alone")
    # What the search noted is void: nobody has met the damage yet.
    (mirror_folder / "damaged.json").unlink()
    cache.clear()
    mirror.close()
    return path


def _reads_badly() -> bool:
    try:
        with mirror.reader() as cursor:
            cursor.execute("SELECT * FROM usage_events").fetchall()
    except mirror.MirrorUnavailable:
        return True
    return False


@pytest.fixture
def api(client: Client) -> Client:
    client.force_login(User.objects.create_user("root@example.org", is_staff=True))
    return client


@pytest.mark.usefixtures("published")
def test_an_export_of_a_damaged_mirror_is_503_in_the_envelope(api: Client) -> None:
    answer = api.get(URL, {"format": "parquet"})
    assert answer.status_code == 503
    error = answer.json()["error"]
    assert error["code"] == "mirror_unavailable"
    assert "usage_mirror rebuild" in error["fix"]
    # Known by now, so that a stream is not begun that would break off.
    assert api.get(URL, {"format": "csv"}).status_code == 503


@pytest.mark.usefixtures("published")
def test_commands_say_one_sentence_with_the_command_that_helps(tmp_path: Path) -> None:
    for command in (["usage_mirror", "verify"], ["usage_export", "--out", str(tmp_path / "x.csv")]):
        with pytest.raises(CommandError, match=r"cannot be read.*usage_mirror rebuild"):
            call_command(*command, stdout=io.StringIO(), stderr=io.StringIO())
    assert not (tmp_path / "x.csv").exists()


@pytest.mark.usefixtures("published")
def test_a_question_over_damaged_rows_is_the_mirrors_trouble_and_not_the_questions() -> None:
    with pytest.raises(mirror.MirrorUnavailable):
        run("SELECT * FROM usage_events")
    assert mirror.published_problem() is not None


def test_damage_that_one_reader_met_is_known_to_all_and_mended_by_the_next_tick(
    published: Path, api: Client
) -> None:
    assert mirror_trouble() is None  # nobody has read it
    assert _reads_badly()

    # At once, though this process has just looked.
    told = mirror_trouble()
    assert told is not None
    assert "damaged" in told.message or "cannot be read" in told.message
    assert "cannot be read" in json.loads(api.get("/readyz").content)["mirror"]["problem"]
    assert "cannot be read" in mirror.status().problem

    report = mirror.sync(now=timezone.now())

    assert report.rebuilt
    assert mirror_trouble() is None
    assert not _reads_badly()
    assert mirror.verify().same
    assert not list(published.parent.glob("damaged*"))


def test_a_problem_that_passed_is_not_remembered(published: Path) -> None:
    content = published.read_bytes()
    published.write_bytes(b"")
    assert find_trouble(now=timezone.now()) is not None
    published.write_bytes(content)
    assert find_trouble(now=timezone.now()) is None
