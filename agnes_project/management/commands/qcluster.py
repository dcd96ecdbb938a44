from typing import Any

from django.core.management.base import CommandError
from django_q.management.commands import qcluster

from agnes_project.supervisor import START_AGAIN
from agnes_project.worker import WorkerBroken, run_worker


class Command(qcluster.Command):  # type: ignore[misc]
    help = "Run the worker. It ends with exit code 75 when it has to be started afresh."

    def handle(self, *args: Any, **options: Any) -> None:
        if options["run_once"] or options["cluster_name"]:
            super().handle(*args, **options)
            return
        try:
            run_worker()
        except WorkerBroken as error:
            raise CommandError(str(error), returncode=START_AGAIN) from None
