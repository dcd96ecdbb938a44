"""What an instance holds, told so that two instances can be compared: no arrival, no row numbers.

`python -m benchmarks.table_dump` prints it as JSON for the instance in AGNES_DATA_DIR.
"""

import hashlib
import json
from collections.abc import Collection
from typing import Any

DERIVED = (
    "usage_events",
    "usage_responses",
    "usage_session_summary",
    "usage_session_daily",
    "usage_session_hook_daily",
    "usage_session_drift_daily",
)
ROLLUPS = (
    "usage_user_daily",
    "usage_tool_daily",
    "usage_plugin_daily",
    "usage_marketplace_item_daily",
    "usage_marketplace_item_window",
    "usage_hook_daily",
    "usage_format_drift",
)
ARRIVAL = frozenset({"extracted_at", "uploaded_at", "refreshed_at", "session_pk", "user_id"})
"""What says when something arrived, and as which row."""
OWN_KEYS = frozenset({"usage_events", "usage_responses", "usage_session_summary"})
"""Tables whose `id` is more than a row number."""

Rows = list[tuple[Any, ...]]


def table(name: str, *, without: Collection[str] = ARRIVAL, owners: Collection[int] = ()) -> Rows:
    """The rows of a table in a fixed order, of these people or of everybody."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(f'SELECT * FROM "{name}"')  # noqa: S608 - a table of ours
        columns = [column[0] for column in cursor.description or ()]
        rows = [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]
    if without and name not in OWN_KEYS:
        without = {*without, "id"}
    return sorted(
        (
            tuple(_plain(row[column]) for column in columns if column not in without)
            for row in rows
            if not owners or row["user_id"] in owners
        ),
        key=repr,
    )


def everything() -> dict[str, Rows]:
    """All tables that say something about transcripts, and the transcripts' stored bytes."""
    from telemetry.models import IdentityKey, ProcessorState, Session, SessionIdentity

    people = dict(Session.objects.values_list("pk", "user__username"))
    lineage = "user__username session_id session_file content_hash size project title versions"
    states = "processor session__session_file status version content_hash attempts error report"
    return {
        **{name: table(name) for name in (*DERIVED, *ROLLUPS)},
        "sessions": _values(Session, lineage + " git_branch forked_from resumed_from agent_ids"),
        "states": _values(ProcessorState, states),
        "files": _files(),
        # Which of a person's sessions leads to an identity depends on the order of reading.
        "identities": sorted(
            (key, people[pk]) for key, pk in IdentityKey.objects.values_list("key", "session_pk")
        ),
        "carried": sorted(
            (name, bytes(keys).hex(), owned and bytes(owned).hex())
            for name, keys, owned in SessionIdentity.objects.values_list(
                "session__session_file", "keys", "owned"
            )
        ),
    }


def _values(model: Any, columns: str) -> Rows:
    return sorted(model.objects.values_list(*columns.split()), key=repr)


def _files() -> Rows:
    """Every file's revisions, with the hash of what is really stored."""
    from telemetry import transcript_blobs
    from telemetry.models import TranscriptRevision

    found = []
    for revision in TranscriptRevision.objects.select_related("file__user"):
        hasher = hashlib.sha256()
        for chunk in transcript_blobs.read_revision(revision):
            hasher.update(chunk)
        file = revision.file
        found.append((file.user.username, file.name, revision.size, hasher.hexdigest()))
    return sorted(found)


def _plain(value: Any) -> Any:
    """Floats to the twelfth digit, since sums may be taken in any order."""
    return f"{value:.12g}" if isinstance(value, float) else value


def main() -> None:
    from benchmarks import instance

    instance.start()
    print(json.dumps(everything(), default=str, sort_keys=True))


if __name__ == "__main__":
    import os

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "agnes_project.settings")
    main()
