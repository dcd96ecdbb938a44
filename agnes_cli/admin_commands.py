"""Exports, figures and questions: what is asked of the server and shown here."""

from __future__ import annotations

import argparse
import http.client
import os
import sys
import tempfile
from pathlib import Path
from typing import IO, Any

from agnes_cli import errors
from agnes_cli.credentials import load_credentials
from agnes_cli.errors import Refused, TryLater, UsageError
from agnes_cli.output import plural, say, say_json, say_table, warn
from agnes_cli.server import Server

READ = 256 * 1024
ENDS = {"json": b"]\n", "parquet": b"PAR1", "csv": b"\n", "ndjson": b"\n"}
"""What a complete export ends with: a proxy may hide that a stream broke off."""

LONG = 600.0
"""Seconds between two bytes of an export: a Parquet file is made before it is sent."""

ASKING = 180.0


class BrokenStream(TryLater):
    code = "broken_stream"


def export(options: argparse.Namespace) -> int:
    query = {
        "format": options.format,
        "table": options.table,
        "since": options.since,
        "until": options.until,
        "user_id": options.user,
        "source": options.source,
    }
    return _download("/api/admin/usage/export", query, options.out, options)


def snapshot(options: argparse.Namespace) -> int:
    """Own rows as Parquet; with an admin's token everybody's."""
    if not options.file.lower().endswith(".parquet"):
        raise UsageError(f"{options.file} does not end in .parquet.", fix="Name it FILE.parquet.")
    query = {"table": options.table, "format": "parquet"}
    return _download("/api/usage/snapshot", query, options.file, options)


def _download(
    path: str, query: dict[str, Any], out: str | None, options: argparse.Namespace
) -> int:
    with Server(load_credentials(), timeout=LONG) as server:
        if not out:
            with server.answer("GET", path, query) as response:
                _copy(response, sys.stdout.buffer, ENDS[query["format"]])
            sys.stdout.buffer.flush()
            return errors.OK
        target = Path(out)
        size = _to_file(server, path, query, target)
    if options.json:
        say_json({"file": str(target), "bytes": size})
    else:
        warn(f"{target}: {size:,} bytes")
    return errors.OK


def _to_file(server: Server, path: str, query: dict[str, Any], target: Path) -> int:
    """The file appears when it is complete, or not at all."""
    if not target.parent.is_dir():
        raise UsageError(f"There is no folder {target.parent}.", fix="Make it, or name another.")
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}-")
    try:
        with os.fdopen(handle, "wb") as file, server.answer("GET", path, query) as response:
            size = _copy(response, file, ENDS[query["format"]])
        os.replace(name, target)
    except BaseException:
        Path(name).unlink()
        raise
    return size


def _copy(response: http.client.HTTPResponse, file: IO[bytes], end: bytes) -> int:
    """Raises BrokenStream when the answer ends before its end."""
    size = 0
    tail = b""
    declared = response.headers.get("Content-Length")
    try:
        while True:
            chunk = response.read(READ)
            if not chunk:
                break
            size += len(chunk)
            tail = (tail + chunk)[-len(end) :]
            file.write(chunk)
    except (http.client.HTTPException, ConnectionError, TimeoutError) as error:
        raise _broken() from error
    if (declared is not None and size != int(declared)) or (size and tail != end):
        raise _broken()
    return size


def _broken() -> BrokenStream:
    return BrokenStream("The export broke off.", fix="Run it again; nothing was kept of it.")


def catalog(options: argparse.Namespace) -> int:
    with Server(load_credentials()) as server:
        told = server.get("/api/usage/catalog")
    if options.json:
        say_json(told)
        return errors.OK
    for table in told["tables"]:
        if options.table and table["name"] != options.table:
            continue
        say(f"{table['name']}")
        say_table(
            ("column", "type"), [(column["name"], column["type"]) for column in table["columns"]]
        )
        say()
    return errors.OK


def summary(options: argparse.Namespace) -> int:
    query = {"since": options.since, "until": options.until, "days": options.days}
    with Server(load_credentials()) as server:
        told = server.get("/api/admin/usage/summary", query)
    if options.json:
        say_json(told)
    else:
        _say_tree(told)
    return errors.OK


def _say_tree(told: Any, name: str = "") -> None:
    """Figures as they come: numbers by name, lists of rows as tables."""
    plain = {key: value for key, value in told.items() if not isinstance(value, (dict, list))}
    if name:
        say(f"\n{name}")
    if plain:
        say_table(("figure", "value"), plain.items())
    for key, value in told.items():
        if isinstance(value, dict):
            _say_tree(value, key)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            say(f"\n{key}")
            columns = list(value[0])
            say_table(columns, [[row.get(column) for column in columns] for row in value])


def reprocess(options: argparse.Namespace) -> int:
    data = {
        "user": options.user or "",
        "session": options.session or "",
        "since": options.since or None,
        "until": options.until or None,
        "yes": options.yes,
    }
    with Server(load_credentials(), timeout=LONG) as server:
        told = server.ask("POST", "/api/admin/usage/reprocess", data=data, attempts=1)
    if options.json:
        say_json(told)
        return errors.OK
    verb = "are derived again" if told["done"] else "would be derived again; --yes does it"
    say(
        f"{plural(told['sessions'], 'session')}, {told['events']} events and "
        f"{told['responses']} responses {verb}."
    )
    for session in told["skipped"]:
        warn(f"{session}: its transcript is not stored any more, so it keeps its rows")
    return errors.OK


def prune(options: argparse.Namespace) -> int:
    data = {"dry_run": options.dry_run}
    with Server(load_credentials(), timeout=LONG) as server:
        told = server.ask("POST", "/api/admin/usage/prune", data=data, attempts=1)
    if options.json:
        say_json(told)
        return errors.OK
    verb = "would go" if told["dry_run"] else "are gone"
    say(
        f"{told['events']} events, {told['responses']} responses, {told['facts']} daily rows and "
        f"{told['transcripts']} transcripts {verb}."
    )
    if told["left"]:
        say("The worker goes on with the rest.")
    return errors.OK


def ask(options: argparse.Namespace) -> int:
    """The SQL first, also when it was refused, then the rows."""
    data = {"question": " ".join(options.question)}
    with Server(load_credentials(), timeout=ASKING) as server:
        try:
            told = server.ask("POST", "/api/admin/usage/ask", data=data, attempts=1)
        except TryLater as error:
            if error.details.get("sql") and not options.json:
                say(str(error.details["sql"]))  # written, but there was no turn to run it
            raise
    wrong = told.get("error")
    if options.json:
        say_json(told)
        return errors.REFUSED if wrong else errors.OK
    if told.get("sql"):
        say(f"{told['sql']}")
    if told.get("rationale"):
        say(f"-- {told['rationale']}")
    if wrong:
        fix = str(wrong.get("fix") or "Ask in other words.")
        raise Refused(str(wrong.get("message")), fix=fix, code=str(wrong.get("code") or ""))
    if told.get("message"):
        say(str(told["message"]))  # it asks back, or tells what it misses
        return errors.OK
    say()
    columns = [column["name"] for column in told["columns"]]
    say_table(columns, [[row.get(name) for name in columns] for row in told["rows"]])
    if told["truncated"]:
        warn("There are more rows; they are cut off here.")
    return errors.OK
