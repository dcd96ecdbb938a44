"""An Agnes of the benchmark's own, in the data folder that the harness gave it."""

from typing import Any


def start() -> None:
    """Django set up over AGNES_DATA_DIR, tables made. To be called before any model is imported."""
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


def import_folder(root: Any, *, process: bool = True, processes: int = 2) -> None:
    """`usage_import --users-from-folders` inside this process, silently."""
    import io

    from django.core.management import call_command

    call_command(
        "usage_import",
        str(root),
        users_from_folders=True,
        no_process=not process,
        processes=processes,
        json=True,
        stdout=io.StringIO(),
        stderr=io.StringIO(),
    )


def process(*, processes: int = 2) -> None:
    """Everything that is due, into the tables; neither rollups nor mirror."""
    from telemetry.processors.runner import run_until_idle

    run_until_idle(processes=processes)


def roll_up() -> None:
    from django.utils import timezone

    from telemetry import rollups

    rollups.refresh(now=timezone.now())


def mirror() -> None:
    from django.utils import timezone

    from telemetry import mirror

    mirror.sync(now=timezone.now())


def mirrored(sql: str) -> Any:
    """The first value that a query on the published mirror gives."""
    from telemetry.mirror import reader

    with reader() as cursor:
        row = cursor.execute(sql).fetchone()
    return row[0] if row else None
