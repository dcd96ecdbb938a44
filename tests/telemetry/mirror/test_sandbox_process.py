"""What becomes of the processes: their limits, their end, and that they take nobody along."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from pytest_django.fixtures import Settings

from accounts.errors import AgnesError
from telemetry.mirror import query_slots, sandbox, worker_pool
from telemetry.mirror.query_errors import QueryTimedOut, QueryTooLarge, TooManyQueries

pytestmark = pytest.mark.usefixtures("filled_mirror")
MEMORY = 150 * 1024**2
ENDLESS = "SELECT count(*) FROM usage_events a, usage_events b, usage_events c, usage_events d"
# One call of one function, which hears no interrupt.
DEAF = (
    "SELECT levenshtein(string_agg(cwd || session_id), string_agg(session_id || cwd)) "
    "FROM usage_events, range(20)"
)
TOO_LARGE = [
    "SELECT range(2000000000)",
    "SELECT repeat('x', 4000000000)",
    "SELECT list(i) FROM range(3000000000) t(i)",
    "SELECT lpad('x', 2000000000, 'y')",
    "SELECT list_resize([1], 2000000000)",
    "SELECT string_agg(a.cwd || b.cwd) FROM usage_events a, usage_events b, range(1000)",
    "SELECT replace(repeat('a', 50000000), 'a', repeat('b', 200))",
    "SELECT repeat('x', 300000000) FROM usage_events",
]


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "INTERRUPT_AFTER", 0.5)
    monkeypatch.setattr(sandbox, "KILL_AFTER", 2.5)


@pytest.fixture(autouse=True)
def no_worker_stays() -> Iterator[None]:
    yield
    worker_pool.pool.close()
    assert workers_of(os.getpid()) == []


def workers_of(process: int) -> list[psutil.Process]:
    children = psutil.Process(process).children()
    return [child for child in children if "sandbox_worker" in " ".join(child.cmdline())]


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("sql", [ENDLESS, DEAF], ids=["hears an interrupt", "does not"])
def test_a_statement_without_end_is_stopped_and_its_process_is_gone(sql: str) -> None:
    with pytest.raises(QueryTimedOut):
        sandbox.run(sql)

    assert len(workers_of(os.getpid())) <= worker_pool.SPARE
    assert sandbox.run("SELECT 1").rows == [[1]]


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("sql", TOO_LARGE)
def test_a_statement_that_wants_all_memory_is_stopped_and_this_process_does_not_grow(
    sql: str,
) -> None:
    before = psutil.Process().memory_info().rss

    with pytest.raises((QueryTooLarge, QueryTimedOut)):
        sandbox.run(sql)

    assert psutil.Process().memory_info().rss - before < MEMORY


@pytest.mark.usefixtures("short")
def test_ten_endless_statements_at_once_are_all_answered(settings: Settings) -> None:
    settings.AGNES_ASK_MAX_QUERIES = 2
    errors: list[AgnesError] = []

    def ask() -> None:
        try:
            sandbox.run(ENDLESS)
        except AgnesError as error:
            errors.append(error)

    threads = [threading.Thread(target=ask) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    kinds = [type(error) for error in errors]
    assert len(kinds) == 10
    assert set(kinds) <= {QueryTimedOut, TooManyQueries}
    assert QueryTimedOut in kinds
    assert {error.status for error in errors if isinstance(error, TooManyQueries)} <= {429}


def test_one_more_than_may_run_at_once_is_told_to_come_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.AGNES_ASK_MAX_QUERIES = 1
    monkeypatch.setattr(query_slots, "PATIENCE", 0.0)

    with query_slots.query_slot(), pytest.raises(TooManyQueries, match="1 question"):
        sandbox.run("SELECT 1")

    assert sandbox.run("SELECT 1").rows == [[1]]


def test_the_next_question_finds_a_process_that_waits() -> None:
    sandbox.run("SELECT 1")
    (waiting,) = workers_of(os.getpid())

    sandbox.run("SELECT 2")

    assert not waiting.is_running()
    assert len(workers_of(os.getpid())) == worker_pool.SPARE


def test_a_process_that_ended_while_it_waited_is_replaced() -> None:
    sandbox.run("SELECT 1")
    (waiting,) = workers_of(os.getpid())
    waiting.kill()

    assert sandbox.run("SELECT 2").rows == [[2]]


def test_a_process_has_nothing_of_the_servers_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGNES_PLANTED_SECRET", "planted")
    sandbox.run("SELECT 1")
    (waiting,) = workers_of(os.getpid())

    assert waiting.environ().keys() <= {"TZ", "LC_ALL"}
    assert waiting.cwd() == "/"


@pytest.mark.skipif(not Path("/proc/self/limits").exists(), reason="reads Linux's /proc")
def test_while_a_statement_runs_its_process_may_open_and_write_nothing() -> None:
    def ask() -> None:
        with suppress(AgnesError):
            sandbox.run(ENDLESS)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        limits = limits_of_the_busy_worker()
    finally:
        worker_pool.pool.close()
        for worker in workers_of(os.getpid()):
            worker.kill()
        asking.join()

    assert limits["Max open files"] == "0"
    assert limits["Max file size"] == "0"
    assert limits["Max processes"] == "0"
    assert limits["Max core file size"] == "0"
    assert int(limits["Max address space"]) < 8 * 1024**3


def limits_of_the_busy_worker() -> dict[str, str]:
    """Soft limits by name, once they are down. Fails when they are not within half a minute."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        for worker in workers_of(os.getpid()):
            text = Path(f"/proc/{worker.pid}/limits").read_text()
            rows = {line[:26].strip(): line[26:].split()[0] for line in text.splitlines()[1:]}
            if rows["Max processes"] == "0":
                return rows
        time.sleep(0.02)
    raise AssertionError("no worker has its last limits")


ASKING = """
import sys, threading, time
from pathlib import Path
import django
django.setup()
from django.conf import settings
settings.AGNES_MIRROR_DIR = Path(sys.argv[1])
from telemetry.mirror import sandbox
sandbox.run("SELECT 1")
threading.Thread(target=sandbox.run, args=(sys.argv[2],), daemon=True).start()
time.sleep(0.5)
print("ready", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize(
    ("ending", "sql"),
    [(signal.SIGKILL, ENDLESS), (signal.SIGKILL, DEAF), (signal.SIGTERM, ENDLESS)],
    ids=["killed", "killed while the statement is deaf", "ended"],
)
def test_no_process_outlives_the_server_however_it_ends(
    filled_mirror: Path, ending: signal.Signals, sql: str
) -> None:
    server = subprocess.Popen(
        [sys.executable, "-c", ASKING, str(filled_mirror), sql],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert server.stdout is not None
    with server, server.stdout:
        assert server.stdout.readline() == b"ready\n"
        workers = workers_of(server.pid)
        server.send_signal(ending)
        server.wait()

    assert workers
    _, alive = psutil.wait_procs(workers, timeout=15)
    assert alive == []


def test_a_forked_child_starts_processes_of_its_own_and_leaves_the_parents_alone() -> None:
    sandbox.run("SELECT 1")
    (waiting,) = workers_of(os.getpid())

    child = os.fork()
    if child == 0:
        try:
            fine = sandbox.run("SELECT 2").rows == [[2]] and waiting.is_running()
            worker_pool.pool.close()
            os._exit(0 if fine else 1)
        finally:
            os._exit(2)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert waiting.is_running()
    assert sandbox.run("SELECT 3").rows == [[3]]
