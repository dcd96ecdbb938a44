"""Tables and indices on either database, and old databases migrated with their data."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.apps import apps
from django.db import connection, models
from django.db.migrations.loader import MigrationLoader

from benchmarks.kill_test import PROJECT, Instance

APPS = ("telemetry", "accounts", "marketplace")
TABLES = """
    usage_events usage_responses usage_session_summary usage_session_daily
    usage_session_hook_daily usage_session_drift_daily usage_user_daily usage_tool_daily
    usage_plugin_daily usage_marketplace_item_daily usage_marketplace_item_window
    usage_hook_daily usage_format_drift usage_attribution_skills usage_attribution_agents
    usage_attribution_commands usage_attribution_mcp_servers session_processor_state
    telemetry_identity_key
"""


def our_models() -> list[type[models.Model]]:
    return [
        model
        for label in APPS
        for model in apps.get_app_config(label).get_models()
        if model._meta.managed
    ]


def constraints(table: str) -> dict[str, Any]:
    with connection.cursor() as cursor:
        found: dict[str, Any] = connection.introspection.get_constraints(cursor, table)
        return found


@pytest.mark.django_db
def test_every_table_of_the_data_contract_is_there() -> None:
    assert set(TABLES.split()) <= set(connection.introspection.table_names())


@pytest.mark.django_db
@pytest.mark.parametrize("model", our_models(), ids=lambda model: model._meta.label)
def test_every_table_has_its_columns_and_indices(model: type[models.Model]) -> None:
    options = model._meta
    with connection.cursor() as cursor:
        described = connection.introspection.get_table_description(cursor, options.db_table)
    assert {column.name for column in described} == {
        field.column for field in options.concrete_fields
    }
    found = constraints(options.db_table)
    column_of = {field.name: field.column for field in options.concrete_fields}
    for index in options.indexes:
        wanted = [column_of[name] for name, _ in index.fields_orders]
        assert (found[index.name]["columns"], found[index.name]["index"]) == (wanted, True)
    for constraint in options.constraints:
        if isinstance(constraint, models.UniqueConstraint) and constraint.fields:
            wanted = [column_of[name] for name in constraint.fields]
            assert found[constraint.name]["unique"]
            assert sorted(found[constraint.name]["columns"]) == sorted(map(str, wanted))


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("table", "columns"),
    [
        ("usage_events", ["session_pk"]),
        ("usage_events", ["occurred_at"]),
        ("usage_responses", ["session_pk"]),
        ("usage_responses", ["occurred_at"]),
        ("usage_session_summary", ["user_id"]),
        ("usage_session_summary", ["started_at"]),
        ("usage_session_daily", ["session_pk"]),
        ("usage_session_daily", ["day"]),
        ("usage_session_hook_daily", ["session_pk"]),
        ("usage_session_hook_daily", ["day"]),
        ("usage_session_drift_daily", ["session_pk"]),
        ("usage_session_drift_daily", ["day"]),
        ("usage_user_daily", ["day"]),
        ("usage_user_daily", ["user_id"]),
        ("usage_tool_daily", ["day"]),
        ("usage_plugin_daily", ["day"]),
        ("usage_marketplace_item_daily", ["day"]),
        ("usage_hook_daily", ["day"]),
        ("usage_format_drift", ["day"]),
        ("session_processor_state", ["processor", "due_at"]),
        ("telemetry_identity_key", ["key"]),
        ("telemetry_session", ["user_id"]),
        ("telemetry_transcriptfile", ["user_id", "name"]),
    ],
)
def test_reads_by_these_columns_have_an_index_that_begins_with_them(
    table: str, columns: list[str]
) -> None:
    indices = [one["columns"] for one in constraints(table).values() if one["columns"]]

    assert any(one[: len(columns)] == columns for one in indices), indices


def starting_points() -> list[tuple[str, str]]:
    """The first migration and the one before the newest, of each app that has several."""
    loader = MigrationLoader(None, ignore_no_migrations=True)
    found = []
    for app in APPS:
        names = sorted(name for label, name in loader.disk_migrations if label == app)
        found += [(app, name) for name in dict.fromkeys(names[:1] + names[-2:-1])]
    return found


@pytest.mark.parametrize(("app", "migration"), starting_points())
def test_a_filled_old_database_keeps_its_data(tmp_path: Path, app: str, migration: str) -> None:
    mark = os.environ.get("PYTEST_XDIST_WORKER", "main")
    instance = Instance(tmp_path, new_database(f"old_{app}_{migration[:4]}_{mark}"))
    done = subprocess.run(
        [sys.executable, "-m", "tests.telemetry.migrate_filled", app, migration],
        cwd=PROJECT,
        env=instance.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)

    assert told["before"]
    for table, rows in told["before"].items():
        assert len(rows) == 1
        (kept,) = told["after"][table]
        for column, value in rows[0].items():
            if column in kept:
                assert kept[column] == value, f"{table}.{column}"


def new_database(name: str) -> str:
    """The address of a new database; nothing, for SQLite, in SQLite's suite."""
    server = os.environ.get("TEST_POSTGRES_URL", "")
    if not server:
        return ""
    with psycopg.connect(server, autocommit=True) as created:
        created.execute(f'CREATE DATABASE "{name}"'.encode())
    return server.replace("/postgres?", f"/{name}?")


def test_every_telemetry_table_has_a_natural_plural() -> None:
    plurals = {
        model.__name__: str(model._meta.verbose_name_plural)
        for model in apps.get_app_config("telemetry").get_models()
    }

    assert plurals["UsageEvent"] == "usage events"
    assert plurals["UsageSessionSummary"] == "session summaries"
    assert plurals["UsageToolDaily"] == "tool days"
    assert plurals["UsageFormatDrift"] == "format drift"
    assert plurals["AttributionMcpServer"] == "attribution MCP servers"
    # What Django makes of such names by itself: "identitys", "usage tool dailys".
    assert not [one for one in plurals.values() if re.search(r"[^aeiou]ys\b|dail|drifts", one)]
    assert len(set(plurals.values())) == len(plurals)
