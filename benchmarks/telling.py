"""What every part of a made-up session needs: its clock, its words, its names, its lines."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from benchmarks import calibration as measured
from benchmarks import transcript_lines as lines
from benchmarks.eras import Era
from benchmarks.prose import Prose
from benchmarks.tool_traffic import Workbench
from benchmarks.transcript_lines import Block, Line, Thread


@dataclass
class Subagent:
    """A subagent's own file and what stands beside it."""

    agent_id: str
    written: list[Line]
    description: Line


@dataclass
class Session:
    """What one session leaves on disk."""

    session_id: str
    era: Era
    main: list[Line] = field(default_factory=list)
    subagents: list[Subagent] = field(default_factory=list)


@dataclass
class Side:
    """The main thread or a subagent: where its lines go and how full its context is."""

    thread: Thread
    out: list[Any]
    model: str
    context: int = 15_000
    copy: Callable[[Line], None] | None = None

    def add(self, *written: Line) -> None:
        self.out.extend(written)
        if self.copy:
            for line in written:
                self.copy(line)


class Telling:
    """A session being written; every choice comes from `rng`: the same seed, the same bytes."""

    def __init__(
        self, rng: random.Random, prose: Prose, era: Era, start: datetime, cwd: str
    ) -> None:
        self.rng = rng
        self.prose = prose
        self.era = era
        self.start = start
        self.now = start
        self.session = Session(lines.new_uuid(rng), era)
        thread = Thread(self.session.session_id, cwd=cwd, version=rng.choice(era.versions))
        self.main = Side(thread, self.session.main, measured.pick(rng, measured.MODELS))
        self.bench = Workbench(rng, prose, cwd)
        self.context_skill: Line = {}

    def tick(self, seconds: float | None = None) -> datetime:
        """Moves on by the given seconds, else by an ordinary gap between lines."""
        gap = measured.draw(self.rng, measured.GAP_SECONDS) if seconds is None else seconds
        self.now += timedelta(seconds=gap)
        return self.now

    def pause(self, duration: float, prompts_left: int) -> None:
        """The person thinks; longer where the session's drawn duration leaves room."""
        if prompts_left:
            spent = (self.now - self.start).total_seconds()
            share = (duration - spent) * self.rng.uniform(0.5, 1.5) / prompts_left
            self.tick(max(share, self.rng.uniform(2, 40)))

    def words(self, size: int) -> str:
        return self.prose.take(self.rng, size)

    def said(self) -> Block:
        return lines.text(self.words(self.rng.randrange(20, 400)))

    def thought(self) -> Block:
        size = int(measured.draw(self.rng, measured.THINKING_CHARS))
        signature = self.prose.noise(self.rng, 200 + size)
        return lines.thinking("" if self.era.late else self.words(size), signature)

    def skill(self) -> tuple[str, str]:
        """A skill's name as typed and its path below plugins/cache; bare ones have no path."""
        rng = self.rng
        if rng.random() < 0.2:
            return rng.choice(measured.BARE_SKILLS), ""
        plugin = rng.choice(list(measured.PLUGINS))
        known = measured.PLUGINS[plugin]
        skill = rng.choice(known["skills"])
        version = rng.choice(known["version"])
        return f"{plugin}:{skill}", f"{known['marketplace'][0]}/{plugin}/{version}/skills/{skill}"

    def mcp_tool(self) -> str:
        tool = self.rng.choice(measured.MCP_TOOLS)
        served = [name for name, plugin in measured.PLUGINS.items() if plugin["servers"]]
        if not self.era.late or self.rng.random() < 0.3:
            return f"mcp__linear__{tool}"
        plugin = self.rng.choice(served)
        return f"mcp__plugin_{plugin}_{measured.PLUGINS[plugin]['servers'][0]}__{tool}"
