"""Jobs in other processes: a job that kills its process takes only itself down."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from typing import Any, NamedTuple

import psutil
import pytest
from django.conf import settings

from telemetry.pool import AHEAD, AHEAD_WEIGHT, Here, worker_pool

POISON = -1


def double(number: int) -> int:
    """Doubles; kills its process for POISON, and refuses 13."""
    if number == POISON:
        time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGKILL)
    if number == 13:
        raise ValueError("unlucky")
    return 2 * number


def slow_first(number: int) -> int:
    time.sleep(0.5 if number == 0 else 0)
    return number


def results(numbers: list[int], *, pause: float = 0) -> dict[int, Any]:
    found = {}
    with worker_pool(2) as pool:
        for number, result in pool.map(((one, one) for one in numbers), double):
            found[number] = result
            time.sleep(pause if len(found) == 1 else 0)
    return found


@pytest.mark.parametrize("processes", [1, 2])
def test_each_result_comes_with_its_job_and_in_order(processes: int) -> None:
    with worker_pool(processes) as pool:
        found = list(pool.map(((f"{one}", one) for one in range(9)), slow_first))

    assert found == [(f"{one}", one) for one in range(9)]


@pytest.mark.parametrize("processes", [1, 2])
def test_an_exception_is_the_jobs_own_result(processes: int) -> None:
    with worker_pool(processes) as pool:
        found = dict(pool.map(((one, one) for one in (1, 13, 2)), double))

    assert (found[1], found[2]) == (2, 4)
    assert isinstance(found[13], ValueError)


@pytest.mark.parametrize("place", [0, 1, 3, 7, 9])
def test_a_job_that_kills_its_process_fails_alone(place: int) -> None:
    numbers = list(range(20, 29))
    numbers.insert(place, POISON)

    found = results(numbers)

    assert isinstance(found.pop(POISON), BrokenProcessPool)
    assert found == {one: 2 * one for one in range(20, 29)}


def test_a_process_may_die_while_nobody_waits_for_it() -> None:
    numbers = list(range(20, 70))

    found = results([20, POISON, *numbers[1:]], pause=1)

    assert isinstance(found.pop(POISON), BrokenProcessPool)
    assert found == {one: 2 * one for one in numbers}


class Heavy(NamedTuple):
    number: int
    size: int


def number_of(heavy: Heavy) -> int:
    return heavy.number


def test_jobs_are_asked_for_only_as_they_are_needed() -> None:
    asked: list[int] = []

    def asking() -> Iterator[tuple[int, int]]:
        for one in range(500):
            asked.append(one)
            yield one, one

    with worker_pool(2) as pool:
        seen = iter(pool.map(asking(), double))
        next(seen)
        assert len(asked) <= 2 + AHEAD < 500


def test_heavy_jobs_are_not_all_asked_for_at_once() -> None:
    """What is ahead waits in memory, so its size is bounded, not only its number."""
    asked: list[Heavy] = []

    def asking() -> Iterator[tuple[int, Heavy]]:
        for one in range(20):
            asked.append(Heavy(one, AHEAD_WEIGHT // 4))
            yield one, asked[-1]

    with worker_pool(2) as pool:
        seen = iter(pool.map(asking(), number_of))
        assert next(seen) == (0, 0)
        assert len(asked) == 5
        assert [first for first, _ in seen] == list(range(1, 20))


def test_one_process_is_this_one() -> None:
    def here(_: int) -> int:
        return os.getpid()

    mapped: Callable[..., Iterator[tuple[int, int]]] = Here().map
    assert [pid for _, pid in mapped([(0, 0)], here)] == [os.getpid()]


PARENTS = {
    "those that read": """
from telemetry.pool import Pool
from tests.telemetry.test_pool import slow_first
pool = Pool(2)
list(pool.map([(one, one) for one in range(8)], slow_first))
""",
    "those that prepare": """
from telemetry.preparation import BytesContent
from telemetry.preparers import WORTH_PROCESSES, Preparers, Task
preparers = Preparers(2, folder="")
preparers.expect(WORTH_PROCESSES + 1)
for job in [preparers.submit([Task(BytesContent(b""), "a.jsonl", ())]) for _ in range(8)]:
    job.result()
""",
}


@pytest.mark.parametrize("kind", PARENTS)
def test_no_process_outlives_a_killed_parent(kind: str) -> None:
    script = f"{PARENTS[kind]}\nprint('ready', flush=True)\ninput()"
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "agnes_project.settings"},
        cwd=settings.BASE_DIR,
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"ready\n"
        children = psutil.Process(parent.pid).children(recursive=True)
        parent.kill()
        parent.wait()

    _, alive = psutil.wait_procs(children, timeout=15)
    # A process without a parent stays a zombie where nobody reaps it.
    left = [one for one in alive if one.status() != psutil.STATUS_ZOMBIE]
    for one in left:
        one.kill()
    assert len(children) >= 3
    assert left == []
