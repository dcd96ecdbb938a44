"""What every page says at its top when something is wrong: a context processor."""

from typing import Any

from django.http import HttpRequest

from telemetry.mirror_trouble import Trouble, mirror_trouble
from telemetry.worker_trouble import worker_trouble


def trouble_banner(request: HttpRequest) -> dict[str, Any]:
    """`instance_trouble`, looked up only by templates that use it."""
    return {"instance_trouble": instance_trouble}


def instance_trouble() -> Trouble | None:
    """What is wrong with the worker and with the mirror, as one; None when nothing is."""
    worker, mirror = worker_trouble(), mirror_trouble()
    if worker is None:
        return mirror
    return Trouble(worker.sentence, mirror.sentence if mirror else "")
