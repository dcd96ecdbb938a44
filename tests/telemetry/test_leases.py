import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
from django.db import connection, transaction

from telemetry.claimants import this_claimant
from telemetry.leases import Held, LeaseLost, LeaseTaken, lease, take
from telemetry.models import Lease

pytestmark = pytest.mark.django_db(transaction=True)

NOON = datetime(2026, 9, 14, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)

CHILD = """
import sys, time
from datetime import timedelta
import django
from django.conf import settings
database, log, ttl, hold = sys.argv[1:]
settings.DATABASES["default"]["NAME"] = database
django.setup()
from telemetry.leases import take
end = time.monotonic() + 2
while time.monotonic() < end:
    held = take("job", ttl=timedelta(seconds=float(ttl)))
    if held is None:
        time.sleep(0.002)
        continue
    with open(log, "a") as file:
        file.write(f"in {held.token}\\n")
        file.flush()
        time.sleep(float(hold))
        file.write(f"out {held.token}\\n")
    held.release()
"""


def clock(moment: datetime) -> Callable[[], datetime]:
    return lambda: moment


def start_process(log: Path, *, ttl: float, hold: float) -> subprocess.Popen[bytes]:
    """A process of its own on the test's database that takes the lease again and again for 2 s."""
    database = str(connection.settings_dict["NAME"])
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, database, str(log), str(ttl), str(hold)],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "agnes_project.settings"},
    )


def taken(at: datetime = NOON, name: str = "job") -> Held:
    held = take(name, ttl=MINUTE, now=clock(at))
    assert held is not None
    return held


def test_a_lease_has_one_holder() -> None:
    taken()
    assert take("job", ttl=MINUTE, now=clock(NOON)) is None


def test_another_lease_is_free() -> None:
    taken()
    assert taken(name="other").token == 1


def test_a_lease_that_ran_out_goes_to_the_next_with_a_higher_token() -> None:
    first = taken()
    second = taken(NOON + MINUTE)
    assert second.token > first.token


def test_renewing_keeps_others_out() -> None:
    held = taken()
    held.now = clock(NOON + MINUTE / 2)
    held.renew()
    assert take("job", ttl=MINUTE, now=clock(NOON + MINUTE)) is None


def test_a_late_holder_cannot_commit_over_its_successor() -> None:
    late = taken()
    taken(NOON + MINUTE)
    with pytest.raises(LeaseLost), transaction.atomic():
        late.check()


def test_a_late_holder_cannot_renew() -> None:
    late = taken()
    taken(NOON + MINUTE)
    with pytest.raises(LeaseLost):
        late.renew()


def test_a_late_holder_cannot_give_away_its_successors_lease() -> None:
    late = taken()
    successor = taken(NOON + MINUTE)
    late.release()
    with transaction.atomic():
        successor.check()
    assert take("job", ttl=MINUTE, now=clock(NOON + MINUTE)) is None


def test_the_holder_may_commit() -> None:
    held = taken()
    with transaction.atomic():
        held.check()


def test_a_check_outside_a_transaction_is_refused() -> None:
    held = taken()
    with pytest.raises(transaction.TransactionManagementError):
        held.check()


def test_the_with_block_gives_the_lease_back_at_once() -> None:
    with lease("job", ttl=MINUTE) as held:
        first = held.token
    with lease("job", ttl=MINUTE) as held:
        assert held.token > first


def test_the_with_block_gives_the_lease_back_after_an_error() -> None:
    with pytest.raises(ZeroDivisionError), lease("job", ttl=MINUTE):
        raise ZeroDivisionError
    assert take("job", ttl=MINUTE) is not None


def test_the_with_block_says_when_somebody_else_holds_it() -> None:
    taken_by_another = lease("job", ttl=MINUTE)
    with lease("job", ttl=MINUTE), pytest.raises(LeaseTaken) as caught, taken_by_another:
        raise AssertionError("two holders")
    assert caught.value.code == "lease_taken"


def test_of_many_threads_one_takes_a_new_lease() -> None:
    together = threading.Barrier(6)
    holders: list[Held] = []

    def contend() -> None:
        together.wait()
        held = take("job", ttl=MINUTE)
        if held is not None:
            holders.append(held)
        connection.close()

    threads = [threading.Thread(target=contend) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(holders) == 1


def test_two_processes_never_hold_it_together(tmp_path: Path) -> None:
    log = tmp_path / "log"
    processes = [start_process(log, ttl=30, hold=0.01) for _ in range(2)]
    assert [process.wait() for process in processes] == [0, 0]
    lines = log.read_text().split("\n")[:-1]
    tokens = [int(line.split()[1]) for line in lines[::2]]
    # In and out of one holder, then of the next: never two "in" in a row.
    assert lines == [f"{way} {token}" for token in tokens for way in ("in", "out")]
    assert tokens == sorted(set(tokens))
    assert len(tokens) > 10


def test_after_a_killed_holder_the_next_takes_over_when_the_lease_runs_out(tmp_path: Path) -> None:
    log = tmp_path / "log"
    process = start_process(log, ttl=0.5, hold=60)
    while not (log.exists() and log.read_text().endswith("\n")):
        assert process.poll() is None, "the other process died before it took the lease"
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    row = Lease.objects.get()
    dead = Held("job", row.owner, row.token, MINUTE)
    end = time.monotonic() + 30
    while (held := take("job", ttl=MINUTE)) is None and time.monotonic() < end:
        time.sleep(0.01)
    assert held is not None
    assert held.token == dead.token + 1
    with pytest.raises(LeaseLost), transaction.atomic():
        dead.check()


def test_a_lease_whose_holder_on_this_host_died_is_free_at_once() -> None:
    held = taken()
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    host = this_claimant().partition(":")[0]
    started = int(psutil.Process(process.pid).create_time() * 1000)
    Lease.objects.filter(name="job").update(owner=f"{host}:{process.pid}:{started}:abcd")
    assert take("job", ttl=MINUTE, now=clock(NOON)) is None

    process.kill()
    process.communicate()

    assert taken().token == held.token + 1


def test_a_lease_of_another_host_is_left_to_the_clock() -> None:
    taken()
    Lease.objects.filter(name="job").update(owner="elsewhere:1:1:abcd")

    assert take("job", ttl=MINUTE, now=clock(NOON)) is None
