"""What every page says at its top when something is wrong: a context processor."""

from typing import Any

from django.http import HttpRequest

from telemetry.mirror_trouble import mirror_trouble


def mirror_banner(request: HttpRequest) -> dict[str, Any]:
    """`mirror_trouble`, looked up only by templates that use it."""
    return {"mirror_trouble": mirror_trouble}
