"""Acceptance 5, and the client's part of 4: command and client write the same rows."""

import csv
import io
import json
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet
import pytest
from django.core.management import call_command
from django.utils import timezone

from accounts.models import AuditEvent, User
from telemetry.models import UsageEvent
from tests.acceptance.conftest import LaptopOf
from tests.agnes_cli.laptop import Laptop
from tests.agnes_cli.network import network
from tests.telemetry.processed_sessions import empty_storage

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def laptop(laptop_of: LaptopOf) -> Laptop:
    empty_storage()
    call_command("seed_demo", now=timezone.now(), days=4, people=2, verbosity=0)
    return laptop_of(User.objects.create_superuser("root@example.org", username="root"))


def export(laptop: Laptop, *arguments: str) -> tuple[int, str, str]:
    return laptop.run("admin", "usage", "export", *arguments)


def test_command_and_client_write_one_json_array_with_the_same_rows(
    laptop: Laptop, tmp_path: Path
) -> None:
    ours, theirs = tmp_path / "command.json", tmp_path / "client.json"
    call_command("usage_export", "--format", "json", "--out", str(ours), verbosity=0)
    code, out, err = export(laptop, "--format", "json", "--out", str(theirs))
    assert (code, out) == (0, ""), err

    with ours.open() as one, theirs.open() as other:
        rows = json.load(one)
        assert json.load(other) == rows
    assert isinstance(rows, list)
    assert len(rows) == UsageEvent.objects.count() > 0
    audited = AuditEvent.objects.filter(action="usage.export")
    assert [row.details["row_count"] for row in audited] == [len(rows)] * 2


def test_the_client_filters_and_writes_to_standard_output(laptop: Laptop, tmp_path: Path) -> None:
    since = timezone.now().date() - timedelta(days=2)
    wanted = UsageEvent.objects.filter(occurred_at__gte=f"{since}T00:00:00Z")
    ids = set(wanted.values_list("id", flat=True))
    assert 0 < len(ids) < UsageEvent.objects.count()

    code, out, err = export(laptop, "--since", str(since))
    assert code == 0, err
    assert {int(row["id"]) for row in csv.DictReader(io.StringIO(out, newline=""))} == ids
    file = tmp_path / "events.parquet"
    assert export(laptop, "--since", str(since), "--format", "parquet", "--out", str(file))[0] == 0
    assert set(pyarrow.parquet.read_table(file)["id"].to_pylist()) == ids


def test_a_stream_that_breaks_off_leaves_no_half_file(laptop: Laptop, tmp_path: Path) -> None:
    port = int(laptop.url.rpartition(":")[2])
    file = tmp_path / "events.json"
    file.write_text("from yesterday")
    with network(port) as line:
        line.plan = ["down:20000"]
        stored = laptop.agnes / "credentials.json"
        stored.write_text(stored.read_text().replace(laptop.url, line.url))
        code, _, err = export(laptop, "--format", "json", "--out", str(file))
    assert (code, "broke off" in err) == (4, True)
    assert file.read_text() == "from yesterday"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".events")] == []


def test_a_bad_range_is_refused_in_the_servers_words(laptop: Laptop, tmp_path: Path) -> None:
    code, _, err = export(
        laptop, "--since", "2026-06-01", "--until", "2026-05-01", "--out", str(tmp_path / "x.csv")
    )
    assert (code, "is after until" in err) == (5, True)
    assert not (tmp_path / "x.csv").exists()


def test_people_save_their_own_rows_and_admins_everybodys(
    laptop: Laptop, laptop_of: LaptopOf, tmp_path: Path
) -> None:
    person = User.objects.filter(is_staff=False, sessions__isnull=False).distinct().first()
    assert person is not None
    own, everything = tmp_path / "own.parquet", tmp_path / "all.parquet"
    assert laptop_of(person).ask("snapshot", str(own))["bytes"] > 0
    assert laptop.ask("snapshot", str(everything))["bytes"] > 0
    users = pyarrow.parquet.read_table(own)["user_id"].to_pylist()
    assert set(users) == {person.pk}
    assert pyarrow.parquet.read_table(everything).num_rows == UsageEvent.objects.count()
    tables = {table["name"]: table for table in laptop.ask("catalog")["tables"]}
    assert "occurred_at" in [column["name"] for column in tables["usage_events"]["columns"]]
