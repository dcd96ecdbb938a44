"""Real processes read while the mirror is published, and while its writer is killed."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from telemetry import leases, mirror
from telemetry.mirror import connection as mirror_connection
from telemetry.models import Lease, PendingChange, UsageEvent
from tests.telemetry.usage_rows import fill_session, make_event, make_session, make_user, mark

pytestmark = pytest.mark.django_db(transaction=True)
NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
PUBLICATIONS = 50
KILLS = 4

# Each publication replaces a session whole: 40 events, all of one outcome. A reader who ever sees
# another number, two outcomes at once, or an error, found a crack.
READER = """
import json, os, sys, threading, time
import django
django.setup()
from telemetry import mirror
seen, reads, errors, stop = set(), [0], [], threading.Event()
def read():
    while not stop.is_set():
        try:
            with mirror.reader() as cursor:
                rows = cursor.execute(
                    "SELECT cwd, count(*), count(DISTINCT outcome) FROM usage_events GROUP BY 1"
                ).fetchall()
            reads[0] += 1
            if len(rows) != 1 or rows[0][1:] != (40, 1):
                errors.append(str(rows))
            seen.add(rows[0][0])
            time.sleep(0.005)
        except Exception as error:
            errors.append(f"{type(error).__name__}: {error}")
threads = [threading.Thread(target=read) for _ in range(2)]
for thread in threads: thread.start()
print("ready", flush=True)
sys.stdin.readline()
stop.set()
for thread in threads: thread.join()
print(json.dumps({"seen": len(seen), "reads": reads[0], "errors": errors[:5]}))
"""

WRITER = """
import itertools, sys
import django
django.setup()
from django.utils import timezone
from telemetry import mirror
from telemetry.models import PendingChange, UsageEvent
from tests.telemetry.usage_rows import mark
pk = int(sys.argv[1])
print("ready", flush=True)
for number in itertools.count():
    UsageEvent.objects.filter(session_row_id=pk).update(cwd=f"/killed/{number}")
    mark("mirror", "session", pk)
    mirror.sync(now=timezone.now())
"""


def environment(folder: Path) -> dict[str, str]:
    """For a child that works on this test's database and mirror."""
    own = settings.DATABASES["default"]
    code = (
        "from pathlib import Path\nfrom tests.settings import *\n"
        f"DATABASES['default']['NAME'] = {str(own['NAME'])!r}\n"
        f"AGNES_MIRROR_DIR = Path({str(folder)!r})\n"
    )
    (folder.parent / "child_settings.py").write_text(code)
    path = os.pathsep.join([str(folder.parent), str(settings.BASE_DIR)])
    return {**os.environ, "DJANGO_SETTINGS_MODULE": "child_settings", "PYTHONPATH": path}


def start(code: str, folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    child = subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        env=environment(folder), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    return child


def test_many_readers_see_whole_publications_and_no_error(mirror_folder: Path) -> None:
    session = make_session(make_user("ada"), "s1")
    UsageEvent.objects.bulk_create(
        [make_event(session, n, cwd="/0", outcome="ok") for n in range(40)]
    )
    mirror.rebuild(now=NOW)
    readers = [start(READER, mirror_folder) for _ in range(2)]
    whole = 0
    for number in range(PUBLICATIONS):
        outcome = ["ok", "failed"][number % 2]
        UsageEvent.objects.filter(session_row=session).update(cwd=f"/{number}", outcome=outcome)
        mark("mirror", "session", session.pk)
        report = mirror.sync(now=NOW)
        assert report.publication is not None
        whole += report.publication.whole
    results = [json.loads(reader.communicate("stop\n", timeout=30)[0]) for reader in readers]
    assert [result["errors"] for result in results] == [[], []]
    assert all(result["seen"] > 5 for result in results), results
    # Both ways of publishing were met: blocks into an unread spare, and the whole file.
    assert whole < PUBLICATIONS


def test_a_writer_killed_at_any_moment_leaves_a_mirror_that_mends_itself(
    mirror_folder: Path,
) -> None:
    session = make_session(make_user("ada"), "s1")
    fill_session(session, events=200)
    for number in range(KILLS):
        writer = start(WRITER, mirror_folder, str(session.pk))
        time.sleep(0.05 + 0.11 * number)
        writer.send_signal(signal.SIGKILL)
        writer.communicate()
        # What the clock does for a holder that died.
        Lease.objects.update(expires_at=leases.LONG_AGO)
        report = mirror.sync(now=NOW)
        assert report.complete
        assert mirror.verify().same
        assert not PendingChange.objects.filter(consumer="mirror").exists()


@pytest.mark.parametrize("left", ["half a draft", "link without rename"])
def test_what_a_killed_publication_leaves_is_never_published(
    left: str, mirror_folder: Path
) -> None:
    session = make_session(make_user("ada"), "s1")
    fill_session(session)
    mirror.sync(now=NOW)
    if left == "half a draft":
        (mirror_folder / "publishing.duckdb").write_bytes(b"half")
    else:
        (mirror_folder / "spare.duckdb").unlink(missing_ok=True)
        os.link(mirror_folder / "agnes.duckdb", mirror_folder / "spare.duckdb")
    with mirror.reader() as cursor:
        before = (mirror_folder / "agnes.duckdb").read_bytes()
        pin = mirror.Pin(mirror_folder / "agnes.duckdb")
        mark("mirror", "session", session.pk)
        mirror.sync(now=NOW)
        with os.fdopen(os.dup(pin.fd), "rb") as old:
            old.seek(0)
            assert old.read() == before, "a file was written while it was published"
        pin.close()
        assert cursor.execute("SELECT count(*) FROM usage_events").fetchone() == (20,)
    assert mirror.verify().same


def test_a_file_that_is_still_read_is_not_written(mirror_folder: Path) -> None:
    session = make_session(make_user("ada"), "s1")
    fill_session(session)
    mirror.sync(now=NOW)
    pin = mirror.Pin(mirror.published_path())
    for _ in range(2):
        mark("mirror", "session", session.pk)
        report = mirror.sync(now=NOW)
    assert report.publication is not None
    assert report.publication.whole
    pin.close()


def test_the_reader_of_a_forked_child_is_its_own(mirror_folder: Path) -> None:
    fill_session(make_session(make_user("ada"), "s1"))
    mirror.sync(now=NOW)
    with mirror.reader() as cursor:
        cursor.execute("SELECT 1")
    connection.close()
    child = os.fork()
    if not child:
        try:
            with mirror.reader() as cursor:
                found = cursor.execute("SELECT count(*) FROM usage_events").fetchone()
            os._exit(0 if found == (20,) else 1)
        except BaseException:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_threads_share_one_instance_and_a_publication_replaces_it(mirror_folder: Path) -> None:
    session = make_session(make_user("ada"), "s1")
    fill_session(session)
    mirror.sync(now=NOW)
    with mirror.reader() as first:
        old = mirror_connection._shared.current
        mark("mirror", "session", session.pk)
        mirror.sync(now=NOW)
        with mirror.reader() as second:
            assert mirror_connection._shared.current is not old
            assert second.execute("SELECT count(*) FROM usage_events").fetchone() == (20,)
        # Whoever reads the old file goes on reading it.
        assert first.execute("SELECT count(*) FROM usage_events").fetchone() == (20,)
