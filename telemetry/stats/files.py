"""A table of the overview as CSV or Parquet: the same rows as on the page, all of them."""

import csv
import io
from dataclasses import asdict
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from django.db import transaction
from django.http import HttpRequest

from accounts import audit
from accounts.models import User
from telemetry.stats import series
from telemetry.stats.filters import Filters
from telemetry.stats.overview import Overview, overview
from telemetry.stats.tables import KINDS
from telemetry.stats.windows import SummaryRefused, Window

FORMATS = {"csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet"}
TABLES = ("totals", "daily", *KINDS, "people", "models", "projects", "unused")
MOST_ROWS = 100_000


def table_file(
    window: Window,
    filters: Filters,
    *,
    table: str,
    format: str,
    by: User,
    door: audit.Door,
    request: HttpRequest | None = None,
) -> bytes:
    """The whole table for this window and these filters, audited.

    Raises SummaryRefused for a table or format that there is none of, and MirrorUnavailable.
    """
    if table not in TABLES:
        raise SummaryRefused(f"There is no table {table!r}.", fix=f"Use one of {', '.join(TABLES)}")
    if format not in FORMATS:
        raise SummaryRefused(f"format={format!r} is not known.", fix="Use csv or parquet.")
    rows = table_rows(overview(window, filters, top=MOST_ROWS), table)
    with transaction.atomic():
        audit.record(
            action="usage.export",
            door=door,
            actor=by,
            resource_type="overview",
            resource_id=table,
            details={
                "format": format,
                "table": table,
                "filters": {
                    "since": window.first.isoformat(),
                    "until": window.until.isoformat(),
                    **filters.chosen,
                },
                "row_count": len(rows),
                "completed": True,
            },
            request=request,
        )
    return _csv(rows) if format == "csv" else _parquet(rows)


def table_rows(found: Overview, table: str) -> list[dict[str, Any]]:
    """The table's rows as column name to value."""
    if table == "totals":
        return [{"period": name, **whole.as_json()} for name, whole in found.totals.items()]
    if table == "daily":
        return [
            {"day": day, "source": source, "calls": calls, "invocations": invoked}
            for (day, called), (_, invocations) in zip(
                found.daily.calls, found.daily.invocations, strict=True
            )
            for source, calls, invoked in zip(series.SOURCES, called, invocations, strict=True)
        ]
    ranked = found.names[table] if table in KINDS else getattr(found, table)
    return [asdict(row) for row in ranked.rows]


def _csv(rows: list[dict[str, Any]]) -> bytes:
    text = io.StringIO()
    if rows:
        writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return text.getvalue().encode()


def _parquet(rows: list[dict[str, Any]]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), sink, compression="zstd")
    return sink.getvalue()
