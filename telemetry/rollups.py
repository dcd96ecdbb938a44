"""Rolled-up figures, recomputed day by day from what each session contributed to a day.

A day is replaced whole, in one transaction with its mark, so a figure is never added twice and a
process may be killed anywhere. A day whose contributions were pruned is never touched again.
"""

import logging
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.db import connection, transaction
from django.db.models import Model

from telemetry import leases
from telemetry.events import NO_DAY
from telemetry.models import (
    PendingChange,
    UsageFormatDrift,
    UsageHookDaily,
    UsageMarketplaceItemDaily,
    UsageMarketplaceItemWindow,
    UsagePluginDaily,
    UsageToolDaily,
    UsageUserDaily,
    Watermark,
)

logger = logging.getLogger(__name__)

CONSUMER = "rollups"
LEASE = timedelta(seconds=60)
# Half of what a task of the worker may take; the rest stays marked for the next call.
BUDGET = timedelta(seconds=60)
# A transaction keeps other writers of SQLite waiting, so it holds few days.
DAYS_AT_ONCE = 5
DELETE_AT_ONCE = 500
# Lines without a time are counted under this day, which no retention prunes.
UNDATED = date.fromisoformat(NO_DAY)
# Before it contributions are gone; written by retention.
PRUNED = Watermark.FACTS
# The day for which the windows stand; missing when an invocation changed since.
WINDOWS = "item_windows"
PERIODS = {"last_7d": 7, "last_30d": 30}

# What counts as use of a marketplace item, for every figure of items and plugins.
INVOKED = "ref_id IS NOT NULL AND invocations > 0"

# For each table the columns and the query that fills a few days of it; {days} are placeholders.
DAILY: dict[type[Model], tuple[str, str]] = {
    UsageUserDaily: (
        "day, user_id, username, event_type, tool_name, source, ref_id, item_kind, name, "
        "calls, invocations, errors, rejected, interrupted, sessions",
        """
        SELECT f.day, f.user_id, COALESCE(u.username, ''), f.event_type, f.tool_name, f.source,
               f.ref_id, f.item_kind, f.name, SUM(f.calls), SUM(f.invocations), SUM(f.errors),
               SUM(f.rejected), SUM(f.interrupted), COUNT(DISTINCT f.session_pk)
        FROM usage_session_daily f LEFT JOIN {users} u ON u.id = f.user_id
        WHERE f.day IN ({days})
        GROUP BY f.day, f.user_id, u.username, f.event_type, f.tool_name, f.source, f.ref_id,
                 f.item_kind, f.name
        """,
    ),
    UsageToolDaily: (
        "day, tool_name, source, invocations, error_count, rejected_count, interrupted_count, "
        "distinct_users, distinct_sessions",
        """
        SELECT day, tool_name, source, SUM(calls), SUM(errors), SUM(rejected), SUM(interrupted),
               COUNT(DISTINCT user_id), COUNT(DISTINCT session_pk)
        FROM usage_session_daily
        WHERE day IN ({days}) AND tool_name IS NOT NULL
        GROUP BY day, tool_name, source
        """,
    ),
    UsagePluginDaily: (
        "day, source, ref_id, invocations, distinct_users, distinct_sessions",
        """
        SELECT day, source, ref_id, SUM(invocations), COUNT(DISTINCT user_id),
               COUNT(DISTINCT session_pk)
        FROM usage_session_daily
        WHERE day IN ({days}) AND {invoked}
        GROUP BY day, source, ref_id
        """,
    ),
    UsageMarketplaceItemDaily: (
        "day, source, type, ref_id, name, invocations, distinct_users, error_count",
        """
        SELECT day, source, item_kind, ref_id, name, SUM(invocations), COUNT(DISTINCT user_id),
               SUM(errors)
        FROM usage_session_daily
        WHERE day IN ({days}) AND {invoked}
        GROUP BY day, source, item_kind, ref_id, name
        UNION ALL
        SELECT day, source, 'plugin', ref_id, ref_id, SUM(invocations), COUNT(DISTINCT user_id),
               SUM(errors)
        FROM usage_session_daily
        WHERE day IN ({days}) AND {invoked}
        GROUP BY day, source, ref_id
        """,
    ),
    UsageHookDaily: (
        "day, hook_event, hook_name, plugin, result, runs, distinct_users",
        """
        SELECT day, hook_event, hook_name, plugin, result, SUM(runs), COUNT(DISTINCT user_id)
        FROM usage_session_hook_daily
        WHERE day IN ({days})
        GROUP BY day, hook_event, hook_name, plugin, result
        """,
    ),
    UsageFormatDrift: (
        "day, kind, name, lines, sessions",
        """
        SELECT day, kind, name, SUM(lines), COUNT(DISTINCT session_pk)
        FROM usage_session_drift_daily
        WHERE day IN ({days})
        GROUP BY day, kind, name
        """,
    ),
}

# Sums add up over days, people do not: they are counted anew over the whole window.
WINDOW_SQL = """
    INSERT INTO usage_marketplace_item_window
        (period_label, source, type, ref_id, name, invocations, distinct_users, error_count,
         refreshed_at)
    SELECT %s, sums.source, sums.type, sums.ref_id, sums.name, sums.invocations, people.users,
           sums.errors, %s
    FROM (
        SELECT source, type, ref_id, name, SUM(invocations) AS invocations,
               SUM(error_count) AS errors
        FROM usage_marketplace_item_daily WHERE day >= %s
        GROUP BY source, type, ref_id, name
    ) sums
    JOIN (
        SELECT source, item_kind AS type, ref_id, name, COUNT(DISTINCT user_id) AS users
        FROM usage_user_daily WHERE day >= %s AND {invoked}
        GROUP BY source, item_kind, ref_id, name
        UNION ALL
        SELECT source, 'plugin', ref_id, ref_id, COUNT(DISTINCT user_id)
        FROM usage_user_daily WHERE day >= %s AND {invoked}
        GROUP BY source, ref_id
    ) people
    ON people.source = sums.source AND people.type = sums.type
       AND people.ref_id = sums.ref_id AND people.name = sums.name
"""


def refresh(*, now: datetime, budget: timedelta | None = BUDGET) -> int:
    """Recomputes the marked days, and the windows when an invocation or the UTC day changed.

    Returns the number of days. What does not fit into `budget` stays marked. Raises LeaseTaken
    while another process does this.
    """
    marks = _marks()
    today = now.astimezone(UTC).date()
    if not marks and _windows_stand_for(today):
        return 0
    end = None if budget is None else time.monotonic() + budget.total_seconds()
    done = 0
    with leases.lease("rollups", ttl=LEASE) as held:
        days = sorted(marks, reverse=True)
        for at in range(0, len(days), DAYS_AT_ONCE):
            # One batch at least, so that even a slow machine gets through.
            if at and end is not None and time.monotonic() >= end:
                break
            batch = days[at : at + DAYS_AT_ONCE]
            _replace_days(batch, [pk for day in batch for pk in marks[day]], held)
            held.renew()
            done += len(batch)
        if not _windows_stand_for(today):
            _refresh_windows(now=now, held=held)
    return done


def _marks() -> dict[date, list[int]]:
    """Marked days with exactly the marks seen: one with a lower number may be committed later."""
    marks: dict[date, list[int]] = {}
    rows = PendingChange.objects.filter(consumer=CONSUMER).order_by("pk")
    for pk, key in rows.values_list("pk", "key").iterator():
        marks.setdefault(date.fromisoformat(key), []).append(pk)
    return marks


def _replace_days(days: Sequence[date], marks: Sequence[int], held: leases.Held) -> None:
    with transaction.atomic():
        held.check()
        open_days = _open(days)
        if open_days:
            before = _invocations(open_days)
            for model, (columns, query) in DAILY.items():
                _replace(model._meta.db_table, columns, query, open_days)
            if _invocations(open_days) != before:
                Watermark.objects.filter(name=WINDOWS).delete()
            PendingChange.objects.bulk_create(
                PendingChange(consumer="mirror", kind="day", key=day.isoformat())
                for day in open_days
            )
        for at in range(0, len(marks), DELETE_AT_ONCE):
            PendingChange.objects.filter(pk__in=marks[at : at + DELETE_AT_ONCE]).delete()


def _open(days: Iterable[date]) -> list[date]:
    """Those whose contributions are still there."""
    pruned = Watermark.objects.filter(name=PRUNED).values_list("day", flat=True).first()
    return [day for day in days if pruned is None or day >= pruned or day == UNDATED]


def _replace(table: str, columns: str, query: str, days: Sequence[date]) -> None:
    places = ", ".join(["%s"] * len(days))
    select = query.format(days=places, invoked=INVOKED, users=get_user_model()._meta.db_table)
    texts = [day.isoformat() for day in days]
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {table} WHERE day IN ({places})", texts)  # noqa: S608
        cursor.execute(
            f"INSERT INTO {table} ({columns}) {select}",
            texts * query.count("{days}"),
        )


def _invocations(days: Sequence[date]) -> set[tuple[Any, ...]]:
    """Everything of these days that the windows depend on."""
    rows = UsageUserDaily.objects.filter(day__in=days, ref_id__isnull=False, invocations__gt=0)
    people = rows.values_list("day", "user_id", "source", "item_kind", "ref_id", "name")
    items = UsageMarketplaceItemDaily.objects.filter(day__in=days).values_list(
        "day", "source", "type", "ref_id", "name", "invocations", "error_count"
    )
    return {*people.iterator(), *items.iterator()}


def _windows_stand_for(today: date) -> bool:
    return Watermark.objects.filter(name=WINDOWS, day=today).exists()


def _refresh_windows(*, now: datetime, held: leases.Held) -> None:
    today = now.astimezone(UTC).date()
    with transaction.atomic(), connection.cursor() as cursor:
        held.check()
        UsageMarketplaceItemWindow.objects.all().delete()
        moment = connection.ops.adapt_datetimefield_value(now)
        for label, length in PERIODS.items():
            first = (today - timedelta(days=length)).isoformat()
            cursor.execute(WINDOW_SQL.format(invoked=INVOKED), [label, moment, first, first, first])
        Watermark.objects.update_or_create(name=WINDOWS, defaults={"day": today, "updated_at": now})
        PendingChange.objects.create(
            consumer="mirror", kind="table", key=UsageMarketplaceItemWindow._meta.db_table
        )
