"""GET /api/usage/catalog and /api/usage/snapshot: the tables, and rows a person may have."""

from typing import Any

from django.http import HttpRequest, StreamingHttpResponse
from ninja import Router, Schema

from accounts import audit
from accounts.api_answers import answers
from accounts.models import Scope
from accounts.permissions import caller_of, is_admin, require_scope
from telemetry import mirror
from telemetry.exports import CONTENT_TYPES, Export, ExportStream

router = Router(tags=["usage"])


class Column(Schema):
    name: str
    type: str


class Table(Schema):
    name: str
    time: str | None
    columns: list[Column]


class Catalog(Schema):
    tables: list[Table]


@router.get("/catalog", response=Catalog, summary="The tables and their columns")
def catalog(request: HttpRequest) -> dict[str, Any]:
    """`time` is the column that `since` and `until` of an export apply to."""
    require_scope(request, Scope.READ)
    return {
        "tables": [
            {
                "name": table.name,
                "time": table.time,
                "columns": [{"name": c.name, "type": c.type} for c in table.columns],
            }
            for table in mirror.TABLES
        ]
    }


@router.get(
    "/snapshot",
    response={200: None},
    summary="Your own rows; an admin's token: all",
    openapi_extra=answers(400, 503, types=CONTENT_TYPES.values()),
)
def snapshot(
    request: HttpRequest, table: str = "usage_events", format: str = "parquet"
) -> StreamingHttpResponse:
    """A table without a person is for admins."""
    user = require_scope(request, Scope.READ)
    everything = is_admin(user) and caller_of(request).has_scope(Scope.ADMIN)
    export = Export.parse(format=format, table=table, user="" if everything else str(user.pk))
    stream = ExportStream(export, by=user, door=audit.Door.API, request=request).begin()
    response = StreamingHttpResponse(stream, content_type=CONTENT_TYPES[export.format])
    response["Content-Disposition"] = f'attachment; filename="{export.file_name}"'
    response["Cache-Control"] = "no-store"
    response["X-Accel-Buffering"] = "no"
    return response
