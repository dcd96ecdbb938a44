"""Fills an old database with a row in every table, migrates it, and prints what was and what is.

`python -m tests.telemetry.migrate_filled APP MIGRATION`, over the instance in AGNES_DATA_DIR.
"""

import json
import os
import sys
from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any

Tables = dict[str, list[dict[str, Any]]]

VALUES: dict[str, Any] = {
    "CharField": "some",
    "TextField": "some words",
    "SlugField": "some",
    "EmailField": "some@example.org",
    "BooleanField": True,
    "FloatField": 1.5,
    "DateTimeField": datetime(2026, 5, 1, 12, tzinfo=UTC),
    "DateField": date(2026, 5, 1),
    "JSONField": {"some": ["thing"]},
    "BinaryField": b"\x01\x02\x03\x04\x05\x06\x07\x08",
    "GenericIPAddressField": "127.0.0.1",
    "DurationField": None,
}


def fill(apps: Any, labels: Iterable[str]) -> list[Any]:
    """One row of every model; the models."""
    made: dict[Any, Any] = {}

    def make(model: Any) -> Any:
        if model not in made:
            values = {}
            for field in model._meta.concrete_fields:
                if field.is_relation and field.null:
                    continue  # it may lead back to its own table
                if field.is_relation:
                    values[field.attname] = make(field.related_model).pk
                elif not field.get_internal_type().endswith("AutoField"):
                    values[field.attname] = VALUES.get(field.get_internal_type(), 7)
            made[model] = model.objects.create(**values)
        return made[model]

    for model in apps.get_models():
        if model._meta.app_label in labels and model._meta.managed:
            make(model)
    return list(made)


def read(connection: Any, names: Iterable[str]) -> Tables:
    tables: Tables = {}
    for name in names:
        with connection.cursor() as cursor:
            cursor.execute(f'SELECT * FROM "{name}"')  # noqa: S608 - a table of ours
            columns = [column[0] for column in cursor.description]
            tables[name] = [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]
    return tables


def main(app: str, migration: str) -> None:
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    call_command("migrate", app, migration, verbosity=0)
    executor = MigrationExecutor(connection)
    old = executor.loader.project_state([(app, migration)]).apps
    models = fill(old, ("telemetry", "accounts", "marketplace"))
    names = [model._meta.db_table for model in models]
    before = read(connection, names)
    call_command("migrate", verbosity=0)
    present = set(connection.introspection.table_names())
    after = read(connection, [name for name in names if name in present])
    print(json.dumps({"before": before, "after": after}, default=_plain))


def _plain(value: Any) -> str:
    return bytes(value).hex() if isinstance(value, bytes | memoryview) else str(value)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "agnes_project.settings")
    main(*sys.argv[1:])
