"""A sandbox worker's DuckDB in the process of a test, without the limits of the system."""

import json
from typing import Any

from telemetry.mirror import BY_NAME
from telemetry.mirror.sandbox_worker import job


class Engine:
    """A worker's DuckDB with the mirror attached and everything locked."""

    def __init__(self, mirror: int) -> None:
        self.connection = job.connect()
        self.meta, self.names = job.attach(self.connection, mirror)

    def run(self, sql: str) -> Any:
        order = {"sql": sql, "tables": list(BY_NAME), "max_rows": 100, "max_bytes": 1_000_000}
        return json.loads(job.answer(self.connection, order, self.meta, self.names))
