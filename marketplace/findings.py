"""What is wrong with a catalogue, a plugin or an upload: each problem with its file and line."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """`blocking`: the thing named cannot be used. `warning`: it can, but should be mended."""

    BLOCKING = "blocking"
    WARNING = "warning"


@dataclass(frozen=True, order=True)
class Finding:
    """One problem. `rule` is stable and kebab-case; `line` counts from 1, None for a whole file.

    `file` is relative to the repository or bundle; empty when no file is meant.
    """

    rule: str
    severity: Severity
    file: str
    line: int | None
    message: str

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Finding":
        return cls(**{**value, "severity": Severity(value["severity"])})

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return f"{where}: {self.message}" if where else self.message


def blocking(rule: str, file: str, message: str, line: int | None = None) -> Finding:
    return Finding(rule, Severity.BLOCKING, file, line, message)


def warning(rule: str, file: str, message: str, line: int | None = None) -> Finding:
    return Finding(rule, Severity.WARNING, file, line, message)


def is_blocked(findings: Iterable[Finding]) -> bool:
    return any(finding.severity is Severity.BLOCKING for finding in findings)
