"""What real transcripts look like in numbers: the shapes that the generator draws from.

Measured on some 1,300 real transcripts of versions 1.0 to 2.1; the late-2026 shares on a census of
641,000 lines of 2.1.207 to 2.1.230. Names of plugins, skills and people are invented.
"""

import math
import random
from collections.abc import Mapping, Sequence
from itertools import pairwise

Quantiles = Sequence[tuple[float, float]]

LINES_PER_RESPONSE = {1: 25.0, 2: 50.0, 3: 18.0, 4: 4.0, 5: 1.4, 6: 0.6, 7: 0.5, 8: 0.5}
USAGE_DIFFERS = 0.24
"""Share of responses with several lines whose early lines hold a snapshot of the usage."""

DURATION_SECONDS: Quantiles = (
    (0, 5), (0.1, 44), (0.5, 856), (0.75, 3_123), (0.9, 10_217), (0.99, 180_795), (1, 400_000),
)  # fmt: skip
PROMPTS: Quantiles = ((0, 1), (0.3, 1), (0.5, 2), (0.75, 5), (0.9, 10), (0.99, 32), (1, 60))
TOOL_CALLS: Quantiles = ((0, 0), (0.1, 2), (0.5, 30), (0.75, 65), (0.9, 127), (0.99, 243), (1, 400))
AGENT_TOOL_CALLS: Quantiles = ((0, 1), (0.25, 4), (0.5, 9), (0.9, 25), (1, 50))
GAP_SECONDS: Quantiles = ((0, 0.1), (0.5, 1.0), (0.75, 2.9), (0.9, 5.6), (0.99, 60), (1, 300))
PROMPT_CHARS: Quantiles = (
    (0, 2),
    (0.1, 7),
    (0.5, 72),
    (0.75, 176),
    (0.9, 592),
    (0.99, 8_055),
    (1, 20_000),
)
THINKING_CHARS: Quantiles = ((0, 20), (0.5, 150), (0.9, 1_053), (0.99, 3_947), (1, 8_000))
OUTPUT_TOKENS: Quantiles = ((0, 20), (0.5, 210), (0.9, 1_100), (0.99, 5_000), (1, 20_000))

SESSIONS_WITH = {"agent": 0.26, "skill": 0.11, "command": 0.30, "mcp": 0.04}

TOOLS = {
    "Bash": 30.0, "Read": 23.0, "Edit": 21.0, "Grep": 10.0, "Glob": 2.0, "Write": 2.0,
    "AskUserQuestion": 0.5, "WebFetch": 0.4, "WebSearch": 0.3, "ExitPlanMode": 0.2,
}  # fmt: skip
OLD_TOOLS = {**TOOLS, "TodoWrite": 7.0, "BashOutput": 0.5}
LATE_TOOLS = {**TOOLS, "TaskUpdate": 5.5, "TaskCreate": 2.7, "SendMessage": 0.5, "ToolSearch": 0.3}
AGENT_TOOLS = {"Read": 40.0, "Grep": 25.0, "Bash": 22.0, "Glob": 10.0, "Edit": 3.0}

FAILED = {
    "Bash": 0.088, "Edit": 0.034, "Write": 0.025, "Glob": 0.024, "Read": 0.016, "Grep": 0.013,
    "WebFetch": 0.057, "Task": 0.03, "Agent": 0.03, "Skill": 0.15, "mcp": 0.1,
}  # fmt: skip
REJECTED = {
    "Bash": 0.012, "Edit": 0.015, "Write": 0.012, "AskUserQuestion": 0.067, "ExitPlanMode": 0.64,
}  # fmt: skip
INTERRUPTED = 0.003
NO_RESULT = 0.004

RESULT_BYTES: dict[str, Quantiles] = {
    "Read": ((0, 600), (0.5, 5_500), (0.9, 34_000), (0.99, 101_000), (1, 160_000)),
    "Edit": ((0, 2_000), (0.5, 17_600), (0.9, 47_000), (0.99, 81_000), (1, 120_000)),
    "Write": ((0, 800), (0.5, 4_600), (0.9, 25_000), (0.99, 79_000), (1, 100_000)),
    "Bash": ((0, 620), (0.5, 1_200), (0.9, 7_300), (0.99, 38_000), (1, 60_000)),
    "Grep": ((0, 620), (0.5, 1_400), (0.9, 10_000), (0.99, 39_000), (1, 60_000)),
    "Task": ((0, 2_000), (0.5, 12_000), (0.9, 30_000), (0.99, 59_000), (1, 80_000)),
    "other": ((0, 620), (0.5, 900), (0.9, 4_000), (0.99, 20_000), (1, 40_000)),
}
INPUT_BYTES: dict[str, Quantiles] = {
    "Bash": ((0, 20), (0.5, 124), (0.99, 1_210), (1, 4_000)),
    "Edit": ((0, 200), (0.5, 814), (0.99, 8_643), (1, 20_000)),
    "Write": ((0, 300), (0.5, 3_591), (0.99, 32_786), (1, 50_000)),
    "Task": ((0, 200), (0.5, 965), (0.99, 6_892), (1, 9_000)),
    "other": ((0, 40), (0.5, 120), (0.99, 220), (1, 400)),
}
LATENCY_SECONDS: dict[str, Quantiles] = {
    "Bash": ((0, 0.05), (0.5, 1.7), (0.9, 23), (0.99, 308), (1, 600)),
    "Read": ((0, 0.01), (0.5, 0.05), (0.9, 0.3), (0.99, 1.7), (1, 4)),
    "Edit": ((0, 0.02), (0.5, 0.1), (0.9, 9.3), (0.99, 258), (1, 600)),
    "Grep": ((0, 0.05), (0.5, 0.4), (0.9, 1), (0.99, 2.7), (1, 6)),
    "Task": ((0, 5), (0.5, 61), (0.9, 580), (0.99, 4_194), (1, 6_000)),
    "AskUserQuestion": ((0, 3), (0.5, 47), (0.9, 202), (0.99, 3_268), (1, 5_000)),
    "other": ((0, 0.05), (0.5, 0.2), (0.9, 3), (0.99, 30), (1, 60)),
}

OLD_LINES_WITHOUT_STOP_REASON = 0.93
LATE_USAGE_DIFFERS = 0.06
LATE_WITHOUT_STOP_REASON = 0.005
AGENT_WITHOUT_STOP_REASON = 0.2
HOOKS_PER_CALL = 1.2
"""Hook attachments per tool call in late 2026: with the rest, 27 % of lines are attachments."""

IMAGE_SHARE = 0.006
"""Of Read results: a picture instead of text."""

FORKED, RESUMED_BY_COPY, BACKED_UP, DAMAGED, MENDED = 0.05, 0.04, 0.08, 0.06, 0.03
"""Shares of sessions: forked later, copied on resume (old only), archived while growing,
with a damaged line, with a lone surrogate or a NUL."""

HOURS = (1, 1, 1, 1, 1, 2, 4, 8, 14, 17, 16, 13, 11, 15, 16, 15, 13, 10, 7, 5, 4, 4, 3, 2)
"""How much of a day's work starts in which hour of the person's own time."""

MODELS = {
    "claude-opus-4-6": 46.0,
    "claude-opus-4-5-20251101": 20.0,
    "claude-sonnet-4-5-20250929": 34.0,
}
AGENT_MODEL = "claude-haiku-4-5-20251001"

CLIENT_COMMANDS = ("clear", "model", "exit", "mcp", "compact", "context", "plugin")
BARE_SKILLS = ("release-notes", "tidy-imports", "explain")
PLUGINS: dict[str, dict[str, Sequence[str]]] = {
    "lantern": {
        "marketplace": ("harbour",), "version": ("1.2.0", "1.3.0"),
        "skills": ("chart", "sounding", "beacon"), "agents": ("lookout",),
        "commands": ("moor",), "servers": ("tides",),
    },
    "orchard": {
        "marketplace": ("harbour",), "version": ("0.9.1",),
        "skills": ("graft", "prune-tree"), "agents": ("grower", "press:sorter"),
        "commands": ("harvest",), "servers": (),
    },
    "quill": {
        "marketplace": ("guild-hall",), "version": ("2.0.0", "2.1.0"),
        "skills": ("letter", "minutes"), "agents": ("scribe",),
        "commands": (), "servers": ("archive",),
    },
}  # fmt: skip
MCP_TOOLS = ("list_entries", "find_entry", "create_issue", "get_page")
BUILTIN_AGENTS = ("general-purpose", "Explore", "Plan")


def draw(rng: random.Random, quantiles: Quantiles) -> float:
    """A value whose distribution has these quantiles; between them it is log-linear."""
    share = rng.random()
    for (low, bottom), (high, top) in pairwise(quantiles):
        if share <= high:
            part = (share - low) / (high - low)
            if bottom <= 0:
                return bottom + (top - bottom) * part
            return bottom * math.exp(part * math.log(top / bottom))
    return quantiles[-1][1]


def pick(rng: random.Random, weights: Mapping[str, float]) -> str:
    return rng.choices(list(weights), list(weights.values()))[0]


def of_tool(table: Mapping[str, Quantiles], tool: str) -> Quantiles:
    """The tool's row; Agent is the later name of Task."""
    return table.get("Task" if tool == "Agent" else tool, table["other"])
