"""Everything that the overview shows, the same for page, API and command."""

import hashlib
import time
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

from django.core.cache import cache

from telemetry import mirror
from telemetry.stats import series, tables
from telemetry.stats.filters import Filters
from telemetry.stats.selection import Selection, first_and_last_day, select
from telemetry.stats.tables import Ranked
from telemetry.stats.totals import Totals, totals
from telemetry.stats.windows import Window

MOST_CHOICES = 300
MOST_DRIFT = 5
CHOICES_SECONDS = 3600


@dataclass(frozen=True)
class Drift:
    """Something in transcripts that this version does not know; of all people in the window."""

    kind: str
    name: str
    lines: int
    sessions: int


@dataclass(frozen=True)
class Overview:
    """`totals` by period; `names` by kind; `data_time`: the mirror holds every change up to then.

    `data_days` are the first and last day of which there is anything at all, None without data.
    """

    window: Window
    filters: Filters
    totals: dict[str, Totals]
    daily: series.DailySeries
    adoption: series.Adoption
    hours: list[list[int]]
    names: dict[str, Ranked]
    people: Ranked
    models: Ranked
    projects: Ranked
    unused: Ranked
    unknown_models: list[str]
    drift: list[Drift]
    plugin_names: dict[str, str]
    data_time: datetime
    data_days: tuple[date, date] | None
    seconds: float

    @property
    def milliseconds(self) -> int:
        return round(self.seconds * 1000)

    @property
    def prompts_per_session(self) -> str:
        whole = self.totals["window"]
        return f"{whole.prompts / whole.sessions:.1f}" if whole.sessions else "–"

    @property
    def is_empty(self) -> bool:
        whole = self.totals["window"]
        return not (whole.calls or whole.sessions)


def overview(window: Window, filters: Filters, *, top: int = tables.TOP) -> Overview:
    """Raises MirrorUnavailable."""
    start = time.perf_counter()
    with select(window, filters) as selection:
        return Overview(
            window=window,
            filters=filters,
            totals=totals(selection),
            daily=series.daily_series(selection),
            adoption=series.adoption(selection),
            hours=series.hours(selection),
            names=tables.names(selection, top=top),
            people=tables.people(selection, top=top),
            models=tables.models(selection, top=top),
            projects=tables.projects(selection, top=top),
            unused=tables.unused_items(selection, top=top),
            unknown_models=_unknown_models(selection),
            drift=_drift(selection),
            plugin_names=_flea_names(selection),
            data_time=mirror.data_time(),
            data_days=first_and_last_day(selection),
            seconds=time.perf_counter() - start,
        )


def choices(window: Window) -> dict[str, list[str]]:
    """By filter, the values there are in the window, in order of name, at most MOST_CHOICES.

    Remembered for as long as the same data is published, since every page asks for them.
    """
    key = f"overview.choices.{mirror.published_path()}.{mirror.data_time()}.{window}"
    name = hashlib.sha256(key.encode()).hexdigest()
    values: dict[str, list[str]] | None = cache.get(name)
    if values is None:
        with select(window, Filters()) as selection:
            found = selection.rows(CHOICES, [window.first, window.first, MOST_CHOICES])
        values = {}
        for kind, value in found:
            values.setdefault(kind, []).append(value)
        cache.set(name, values, CHOICES_SECONDS)
    return values


CHOICES = """
    WITH facts AS (SELECT * FROM chosen_facts WHERE day >= ?),
    held AS (SELECT * FROM chosen_sessions WHERE day >= ?),
    named AS (
        SELECT DISTINCT 'person' AS kind, username AS value FROM facts
        UNION SELECT 'person', username FROM held
        UNION SELECT 'marketplace', split_part(ref_id, '/', 1) FROM facts WHERE source = 'curated'
        UNION SELECT 'plugin', ref_id FROM facts WHERE ref_id IS NOT NULL
        UNION SELECT 'tool', tool_name FROM facts WHERE tool_name IS NOT NULL
        UNION SELECT 'item', name FROM facts WHERE item_kind <> 'tool'
        UNION SELECT 'model', primary_model FROM held WHERE primary_model IS NOT NULL
        UNION SELECT 'project', project FROM held WHERE project <> ''
    )
    SELECT kind, value FROM named
    QUALIFY row_number() OVER (PARTITION BY kind ORDER BY value) <= ?
    ORDER BY kind, value
"""


def _unknown_models(selection: Selection) -> list[str]:
    """Primary models of the window's sessions whose cost is unknown."""
    found = selection.rows(
        "SELECT DISTINCT coalesce(primary_model, 'no model named') FROM chosen_sessions "
        "WHERE day >= ? AND cost_usd IS NULL AND responses > 0 ORDER BY 1",
        [selection.window.first],
    )
    return [name for (name,) in found]


def _drift(selection: Selection) -> list[Drift]:
    found = selection.rows(
        "SELECT kind, name, sum(lines)::BIGINT, sum(sessions)::BIGINT FROM usage_format_drift "
        "WHERE day BETWEEN ? AND ? GROUP BY kind, name ORDER BY 3 DESC, kind, name LIMIT ?",
        [selection.window.first, selection.window.last, MOST_DRIFT],
    )
    return [Drift(*row) for row in found]


def _flea_names(selection: Selection) -> dict[str, str]:
    """What people call an upload to the flea market, by its ref_id, which is a mere number."""
    found = selection.rows(
        f"SELECT ref_id, min(coalesce(plugin, name)) FROM ({FLEA}) GROUP BY ref_id"  # noqa: S608
    )
    return {ref_id: name.removeprefix("flea:") for ref_id, name in found}


FLEA = " UNION ALL ".join(
    f"SELECT ref_id, plugin, {column} AS name FROM {table} WHERE source = 'flea'"  # noqa: S608
    for _, table, column in tables.ITEM_TABLES
)


def as_json(found: Overview) -> dict[str, Any]:
    """The overview for the API: the same numbers, days as 2026-05-01."""
    window = found.window
    return {
        "since": window.first,
        "until": window.until,
        "today": window.today,
        "complete_days": window.complete_days,
        "filters": found.filters.chosen,
        "figures_of_sessions_with_such_an_event": bool(found.filters.of_events),
        "totals": {period: whole.as_json() for period, whole in found.totals.items()},
        "daily": [
            {
                "day": day,
                "calls": dict(zip(series.SOURCES, calls, strict=True)),
                "invocations": dict(zip(series.SOURCES, invoked, strict=True)),
            }
            for (day, calls), (_, invoked) in zip(
                found.daily.calls, found.daily.invocations, strict=True
            )
        ],
        "top": {kind: _rows(ranked) for kind, ranked in found.names.items()},
        "people": _rows(found.people),
        "models": _rows(found.models),
        "projects": _rows(found.projects),
        "never_used": _rows(found.unused),
        "unknown_models": found.unknown_models,
        "format_drift": [asdict(row) for row in found.drift],
        "data_time": found.data_time,
        "data_days": list(found.data_days or ()),
    }


def _rows(ranked: Ranked) -> dict[str, Any]:
    return {"total": ranked.total, "rows": [asdict(row) for row in ranked.rows]}
