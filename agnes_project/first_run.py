"""Brings an instance to where it can be used: tables, an admin, schedules, demo."""

import secrets
from collections.abc import Callable

from django.core.management import call_command, get_commands
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from accounts.admins import create_admin
from accounts.models import User
from telemetry.models import Session

Say = Callable[[str], None]


def prepare(*, admin_email: str, demo: bool, say: Say) -> None:
    """Safe to run at each start: what is there already is left alone."""
    apply_migrations(say=say)
    ensure_admin(email=admin_email, say=say)
    commands = get_commands()
    if "ensure_schedules" in commands:
        call_command("ensure_schedules", verbosity=0)
    if demo and "seed_demo" in commands and not Session.objects.exists():
        say("The database is empty: filling it with demo data.")
        call_command("seed_demo", verbosity=0)
    # The web server and the worker open their own connections.
    connection.close()


def apply_migrations(*, say: Say) -> None:
    executor = MigrationExecutor(connection)
    waiting = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    if waiting:
        say(f"Applying {waiting} migrations.")
        call_command("migrate", interactive=False, verbosity=0)


def ensure_admin(*, email: str, say: Say) -> None:
    """Makes the first admin and says its password, once; does nothing when there is an admin."""
    if User.objects.filter(is_staff=True, is_active=True).exists():
        return
    password = secrets.token_urlsafe(16)
    create_admin(email=email, password=password)
    say(f"Admin account: {email}  password (shown only now): {password}")
