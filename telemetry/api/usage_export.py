"""GET /api/admin/usage/export."""

from django.http import HttpRequest, StreamingHttpResponse
from ninja import Router

from accounts import audit
from accounts.api_answers import answers
from accounts.permissions import require_admin
from telemetry.exports import CONTENT_TYPES, Export, ExportStream

router = Router(tags=["usage"])


@router.get(
    "/export",
    summary="Export a mirrored table",
    response={200: None},
    openapi_extra=answers(400, 503, types=CONTENT_TYPES.values()),
)
def export_usage(
    request: HttpRequest,
    format: str = "csv",
    table: str = "usage_events",
    since: str = "",
    until: str = "",
    user_id: str = "",
    source: str = "",
) -> StreamingHttpResponse:
    """Streams rows as csv, json (one array), ndjson or parquet; admins only.

    `since` is included and `until` is not; both are UTC days or instants. `user_id` may be a
    username. A table without a time, a person or a source refuses that filter with 400.
    """
    admin = require_admin(request)
    export = Export.parse(
        format=format, table=table, since=since, until=until, user=user_id, source=source
    )
    stream = ExportStream(export, by=admin, door=audit.Door.API, request=request).begin()
    response = StreamingHttpResponse(stream, content_type=CONTENT_TYPES[export.format])
    response["Content-Disposition"] = f'attachment; filename="{export.file_name}"'
    response["Cache-Control"] = "no-store"
    # A proxy that collects the answer first would make everybody wait for the last row.
    response["X-Accel-Buffering"] = "no"
    return response
