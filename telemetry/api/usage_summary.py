"""GET /api/admin/usage/summary."""

from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from ninja import Field, Query, Router, Schema

from accounts.api_answers import answers
from accounts.permissions import require_admin
from telemetry.stats.filters import Filters
from telemetry.stats.overview import as_json, overview
from telemetry.stats.windows import Window

router = Router(tags=["usage"])


class SummaryQuery(Schema):
    days: str = Field("", description="The last N complete days and today so far; 30 by default.")
    since: str = Field("", description="Instead of days: the first UTC day.")
    until: str = Field("", description="The UTC day after the last; today so far when empty.")
    person: str = Field("", description="A username.")
    source: str = Field("", description="curated, flea, builtin or unattributed.")
    marketplace: str = Field("", description="The slug of a curated marketplace.")
    plugin: str = Field("", description="A ref_id: marketplace/plugin, or a flea upload's id.")
    tool: str = Field("", description="A tool's name.")
    item: str = Field("", description="The name of a skill, agent, command or MCP server.")
    model: str = Field("", description="Sessions that got most of their answers from this model.")
    project: str = Field("", description="Sessions that ran in this folder.")
    top: int = Field(10, ge=1, le=1000, description="Rows of each table.")


@router.get(
    "/summary",
    summary="Figures of a window",
    response=dict[str, Any],
    openapi_extra=answers(400, 503),
)
def usage_summary(request: HttpRequest, asked: Query[SummaryQuery]) -> dict[str, Any]:
    """The figures of the overview page, from the same reads; admins only.

    A filter of events (source, marketplace, plugin, tool, item) chooses events; prompts, hours,
    tokens and cost are then those of the sessions with such an event.
    """
    require_admin(request)
    words = asked.dict()
    window = Window.parse(days=asked.days, since=asked.since, until=asked.until, now=timezone.now())
    return as_json(overview(window, Filters.parse(words), top=asked.top))
