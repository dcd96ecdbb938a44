"""Schedules follow the settings, whatever was there before."""

import json
from datetime import UTC, datetime, timedelta
from importlib import import_module
from io import StringIO

import pytest
from django.conf import settings as django_settings
from django.core.management import call_command
from django_q.models import Schedule
from pytest_django.fixtures import Settings

from agnes_project.schedules import JOBS, PREFIX, Ensured, Job, ensure_schedules

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)


def states(ensured: list[Ensured]) -> dict[str, str]:
    return {one.name: one.state for one in ensured}


def test_every_job_names_a_function_and_a_setting() -> None:
    for job in JOBS:
        module, _, function = job.function.rpartition(".")
        assert callable(getattr(import_module(module), function))
        assert job.seconds >= 0


def test_every_interval_setting_belongs_to_a_job() -> None:
    names = {name for name in dir(django_settings) if name.startswith("SCHEDULER_")}
    assert names == {job.setting for job in JOBS}


def test_each_job_has_one_schedule_by_its_interval() -> None:
    ensure_schedules(now=NOW)

    rows = {row.name: row for row in Schedule.objects.all()}
    assert set(rows) == {PREFIX + job.name for job in JOBS}
    prune = rows["agnes.usage_prune"]
    assert (prune.schedule_type, prune.minutes, prune.repeats) == (Schedule.MINUTES, 1440, -1)
    assert (prune.func, prune.next_run) == ("telemetry.tasks.prune", NOW)


def test_a_second_run_changes_nothing() -> None:
    ensure_schedules(now=NOW)
    Schedule.objects.update(next_run=NOW + timedelta(seconds=30))
    before = list(Schedule.objects.order_by("pk").values())

    ensured = ensure_schedules(now=NOW + timedelta(seconds=10))

    assert set(states(ensured).values()) == {"kept"}
    assert list(Schedule.objects.order_by("pk").values()) == before


def test_a_changed_interval_changes_its_schedule(settings: Settings) -> None:
    ensure_schedules(now=NOW)
    settings.SCHEDULER_USAGE_PRUNE_INTERVAL = 7200

    assert states(ensure_schedules(now=NOW))["usage_prune"] == "changed"
    assert Schedule.objects.get(name="agnes.usage_prune").minutes == 120


def test_an_interval_of_0_switches_a_job_off(settings: Settings) -> None:
    ensure_schedules(now=NOW)
    settings.SCHEDULER_USAGE_PRUNE_INTERVAL = 0

    assert states(ensure_schedules(now=NOW))["usage_prune"] == "removed"
    assert states(ensure_schedules(now=NOW))["usage_prune"] == "off"
    assert not Schedule.objects.filter(name="agnes.usage_prune").exists()


def test_what_no_job_stands_for_goes_and_an_admins_own_stays() -> None:
    Schedule.objects.create(name="agnes.former", func="telemetry.tasks.gone")
    Schedule.objects.create(name="nightly report", func="telemetry.tasks.prune")
    ensure_schedules(now=NOW)
    Schedule.objects.create(name="agnes.usage_prune", func="telemetry.tasks.prune")

    ensure_schedules(now=NOW)

    names = list(Schedule.objects.values_list("name", flat=True))
    assert "agnes.former" not in names
    assert "nightly report" in names
    assert names.count("agnes.usage_prune") == 1


def test_a_schedule_that_lies_too_far_ahead_is_brought_back() -> None:
    ensure_schedules(now=NOW)
    Schedule.objects.filter(name="agnes.heartbeat").update(next_run=NOW + timedelta(days=400))

    ensure_schedules(now=NOW)

    assert Schedule.objects.get(name="agnes.heartbeat").next_run == NOW


@pytest.mark.parametrize(("seconds", "minutes"), [(1, 1), (60, 1), (61, 2), (10**9, 32_767)])
def test_seconds_are_rounded_up_to_whole_minutes(
    settings: Settings, seconds: int, minutes: int
) -> None:
    settings.SCHEDULER_HEARTBEAT_INTERVAL = seconds
    job = Job("beat", "telemetry.tasks.heartbeat", "SCHEDULER_HEARTBEAT_INTERVAL")

    ensured = ensure_schedules(now=NOW, jobs=[job])[0]

    assert ensured.minutes == minutes
    assert ensured.rounded == (seconds != minutes * 60)


def test_the_command_says_what_runs_and_how_often(settings: Settings) -> None:
    settings.SCHEDULER_USAGE_PROCESS_INTERVAL = 15
    told, shown = StringIO(), StringIO()

    call_command("ensure_schedules", stdout=told)
    call_command("ensure_schedules", "--json", stdout=shown)

    assert "created   usage_process, every minute (the setting rounded" in told.getvalue()
    assert f"{len(JOBS)} jobs are scheduled" in told.getvalue()
    assert {one["state"] for one in json.loads(shown.getvalue())} == {"kept"}
