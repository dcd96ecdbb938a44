"""How Claude Code wrote its transcripts over time, as far as the shapes differ."""

import random
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks import calibration as measured


@dataclass(frozen=True)
class Era:
    """One stretch of versions that write alike."""

    versions: tuple[str, ...]
    tools: Mapping[str, float]
    agent_tool: str
    agent_layout: str
    """Where a subagent's lines go: `inline`, `flat` files beside the main one, or its `folder`."""
    progress: bool
    agent_copies: bool
    """Subagents' lines come once more inside progress lines."""
    skills: str
    """The tool that activates them: `SlashCommand` or `Skill`."""
    late: bool
    """Attachments, attribution fields, prompt origins, final usage."""


FIRST = Era(
    ("1.0.24", "1.0.98"), measured.OLD_TOOLS, "Task", "inline", False, False, "SlashCommand", False
)
FLAT = Era(
    ("2.0.31", "2.0.76"), measured.OLD_TOOLS, "Task", "flat", True, False, "SlashCommand", False
)
PROGRESS = Era(
    ("2.1.32", "2.1.50"), measured.OLD_TOOLS, "Task", "folder", True, True, "Skill", False
)
LATE = Era(
    ("2.1.212", "2.1.240", "2.1.250", "2.1.280"),
    measured.LATE_TOOLS,
    "Agent",
    "folder",
    False,
    False,
    "Skill",
    True,
)


def pick_era(rng: random.Random, shape: str) -> Era:
    """`old`, `late2026`, or `mixed`, which is half of each."""
    if shape == "late2026" or (shape == "mixed" and rng.random() < 0.5):
        return LATE
    return rng.choices((FIRST, FLAT, PROGRESS), (1, 3, 6))[0]
