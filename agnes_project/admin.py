"""Jobs in the Django admin, as the task queue keeps them, in the theme's dress."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django_q import admin as jobs
from django_q.models import Failure, OrmQ, Schedule, Success

from accounts.admin_base import AgnesAdmin

for _model in (Failure, OrmQ, Schedule, Success):
    admin.site.unregister(_model)


@admin.register(Schedule)
class ScheduleAdmin(AgnesAdmin, jobs.ScheduleAdmin):  # type: ignore[misc]
    note = (
        "Made from the SCHEDULER_…_INTERVAL settings by manage.py ensure_schedules, which puts "
        "back what is changed here."
    )
    when_empty = "Run manage.py ensure_schedules."


@admin.register(Success)
class SuccessAdmin(AgnesAdmin, jobs.TaskAdmin):  # type: ignore[misc]
    note = "The newest jobs that went well."
    when_empty = "No job has run yet: start the worker with manage.py qcluster."


@admin.register(Failure)
class FailureAdmin(AgnesAdmin, jobs.FailAdmin):  # type: ignore[misc]
    note = "Jobs that ended with an error. Most are tried again by the next run of their schedule."
    when_empty = "No job has failed."


@admin.register(OrmQ)
class QueuedAdmin(AgnesAdmin, jobs.QueueAdmin):  # type: ignore[misc]
    note = "Jobs that wait or run."
    when_empty = "No job waits."

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
