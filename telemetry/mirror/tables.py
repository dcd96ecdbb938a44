"""Which tables are mirrored, and how: derived from the Django models, the only truth on columns."""

import hashlib
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cached_property

from django.contrib.auth import get_user_model
from django.db import models

from telemetry.events import NO_DAY
from telemetry.models import (
    AttributionAgent,
    AttributionCommand,
    AttributionMcpServer,
    AttributionSkill,
    Session,
    UsageEvent,
    UsageFormatDrift,
    UsageHookDaily,
    UsageMarketplaceItemDaily,
    UsageMarketplaceItemWindow,
    UsagePluginDaily,
    UsageResponse,
    UsageSessionDaily,
    UsageSessionSummary,
    UsageToolDaily,
    UsageUserDaily,
)

# Kept in the relational database only: what attribution is worked out from, and may be long.
NOT_MIRRORED = frozenset({"candidates", "path_evidence", "field_plugin"})
# Raised when the layout of the file changes in a way that the columns do not show.
LAYOUT = 1
META = "mirror_meta"
PEOPLE = "usage_people"
# What lines without a time are counted under.
UNDATED = date.fromisoformat(NO_DAY)

# In which order these tables' columns stand, in the mirror and in every export: the contract's
# first, LAST_COLUMN last, and between them all others, as in the model.
FIRST_COLUMNS = {
    "usage_events": (
        "id session_id session_file user_id username event_uuid parent_uuid event_type tool_name "
        "skill_name subagent_type command_name is_error outcome activation_id is_invocation "
        "source ref_id marketplace plugin item_kind evidence item_version context_skill "
        "context_plugin response_id tool_use_id agent_id model project git_branch cwd "
        "occurred_at processor_version extracted_at"
    ),
    "usage_responses": (
        "id session_id user_id username model occurred_at input_tokens output_tokens "
        "cache_creation_tokens cache_creation_5m_tokens cache_creation_1h_tokens "
        "cache_read_tokens usage_final is_sidechain source ref_id marketplace plugin "
        "context_skill context_plugin cost_usd"
    ),
    "usage_session_summary": (
        "session_file session_id user_id username started_at ended_at active_seconds wall_seconds "
        "prompts user_messages assistant_messages tool_calls tool_errors skill_invocations "
        "subagent_dispatches mcp_calls slash_commands distinct_tools distinct_skills "
        "primary_model input_tokens output_tokens cache_read_tokens cache_creation_tokens "
        "usage_final_share cost_usd processor_version extracted_at uploaded_at"
    ),
}
LAST_COLUMN = "session_pk"

# Django's field class -> DuckDB's type; the first that fits.
TYPES: tuple[tuple[type[models.Field], str], ...] = (  # type: ignore[type-arg]
    (models.BooleanField, "BOOLEAN"),
    (models.DateTimeField, "TIMESTAMP"),
    (models.DateField, "DATE"),
    (models.FloatField, "DOUBLE"),
    (models.BigIntegerField, "BIGINT"),
    (models.AutoField, "BIGINT"),
    (models.IntegerField, "INTEGER"),
    (models.CharField, "VARCHAR"),
    (models.TextField, "VARCHAR"),
)


class Scope(StrEnum):
    """What is replaced together when something changed."""

    SESSION = "session"
    DAY = "day"
    TABLE = "table"


@dataclass(frozen=True)
class Column:
    """`type` is DuckDB's; TIMESTAMP is UTC without a zone."""

    name: str
    type: str


@dataclass(frozen=True)
class MirrorTable:
    """`time` is the column that since and until cut at, None where the rows have no time."""

    model: type[models.Model]
    scope: Scope
    time: str | None = None
    key: str | None = None
    only: tuple[str, ...] = ()
    where: str = ""
    alias: str = ""

    @property
    def name(self) -> str:
        return self.alias or self.source_name

    @property
    def source_name(self) -> str:
        return self.model._meta.db_table

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """As FIRST_COLUMNS says, else key first, then as in the model; numbers that only the
        relational database needs (automatic keys) are left out."""
        return tuple(Column(_name(field, self.alias), _type(field)) for field in self._fields)

    @property
    def source_columns(self) -> tuple[str, ...]:
        """The columns' names in the relational database, in the order of `columns`."""
        return tuple(str(field.column) for field in self._fields)

    @property
    def _fields(self) -> list[models.Field]:  # type: ignore[type-arg]
        fields = [f for f in self.model._meta.concrete_fields if _is_mirrored(f, self.only)]
        return sorted(fields, key=self._place)

    def _place(self, field: models.Field) -> tuple[bool, int]:  # type: ignore[type-arg]
        """Sorts the fields, those of one place as they stand in the model."""
        if self.source_name not in FIRST_COLUMNS:
            return False, 0 if field.primary_key else 1
        first = FIRST_COLUMNS[self.source_name].split()
        place = first.index(field.column) if field.column in first else len(first)
        return field.column == LAST_COLUMN, place

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def order(self) -> tuple[str, ...]:
        """Columns that put the rows in one order: time first, then what tells equal times apart."""
        first = (self.time,) if self.time else ()
        rest = (self.key,) if self.key else self.column_names
        return first + tuple(name for name in rest if name not in first)

    @property
    def create_sql(self) -> str:
        body = ", ".join(f'"{column.name}" {column.type}' for column in self.columns)
        return f'CREATE TABLE "{self.name}" ({body})'


def _is_mirrored(field: models.Field, only: tuple[str, ...]) -> bool:  # type: ignore[type-arg]
    if only:
        return field.column in only
    return not isinstance(field, models.AutoField) and field.column not in NOT_MIRRORED


def _name(field: models.Field, alias: str) -> str:  # type: ignore[type-arg]
    return "user_id" if alias == PEOPLE and field.primary_key else str(field.column)


def _type(field: models.Field) -> str:  # type: ignore[type-arg]
    kind = field.target_field if isinstance(field, models.ForeignKey) else field
    return next(name for cls, name in TYPES if isinstance(kind, cls))


def _people() -> MirrorTable:
    # People without a session are nobody's figure; their e-mail address is never mirrored.
    people, sessions = get_user_model(), Session._meta.db_table
    has_sessions = f"EXISTS (SELECT 1 FROM {sessions} WHERE user_id = {people._meta.db_table}.id)"  # noqa: S608
    return MirrorTable(
        people, Scope.TABLE, only=("id", "username"), where=has_sessions, alias=PEOPLE
    )


TABLES: tuple[MirrorTable, ...] = (
    MirrorTable(UsageEvent, Scope.SESSION, time="occurred_at", key="id"),
    MirrorTable(UsageResponse, Scope.SESSION, time="occurred_at", key="id"),
    MirrorTable(UsageSessionSummary, Scope.SESSION, time="started_at", key="session_pk"),
    MirrorTable(UsageSessionDaily, Scope.SESSION, time="day"),
    MirrorTable(UsageUserDaily, Scope.DAY, time="day"),
    MirrorTable(UsageToolDaily, Scope.DAY, time="day"),
    MirrorTable(UsagePluginDaily, Scope.DAY, time="day"),
    MirrorTable(UsageMarketplaceItemDaily, Scope.DAY, time="day"),
    MirrorTable(UsageHookDaily, Scope.DAY, time="day"),
    MirrorTable(UsageFormatDrift, Scope.DAY, time="day"),
    MirrorTable(UsageMarketplaceItemWindow, Scope.TABLE),
    MirrorTable(AttributionSkill, Scope.TABLE),
    MirrorTable(AttributionAgent, Scope.TABLE),
    MirrorTable(AttributionCommand, Scope.TABLE),
    MirrorTable(AttributionMcpServer, Scope.TABLE),
    _people(),
)
BY_NAME = {table.name: table for table in TABLES}


def scoped(scope: Scope) -> list[MirrorTable]:
    return [table for table in TABLES if table.scope == scope]


def schema_version() -> str:
    """Changes whenever a mirrored table or column does; a file with another one is rebuilt."""
    text = "\n".join([str(LAYOUT), *(table.create_sql for table in TABLES)])
    return hashlib.sha256(text.encode()).hexdigest()[:16]
