"""One made-up session from its first prompt to its last answer."""

from benchmarks import calibration as measured
from benchmarks import transcript_lines as lines
from benchmarks.answering import Answering
from benchmarks.telling import Session
from benchmarks.transcript_lines import Block, Line


class Conversation(Answering):
    """`write()` gives the session's lines, all at once."""

    def write(self) -> Session:
        rng = self.rng
        prompts = max(1, round(measured.draw(rng, measured.PROMPTS)))
        plan = self.plan(round(measured.draw(rng, measured.TOOL_CALLS)))
        ends = sorted(rng.randrange(len(plan) + 1) for _ in range(prompts - 1))
        duration = measured.draw(rng, measured.DURATION_SECONDS)
        typed = rng.random() < measured.SESSIONS_WITH["command"]
        self.opening()
        for number, (first, last) in enumerate(zip([0, *ends], [*ends, len(plan)], strict=True)):
            if typed and (number == 0 or rng.random() < 0.2):
                self.type_command()
            self.ask()
            self.work(self.main, plan[first:last])
            self.turn_ends()
            self.pause(duration, prompts - number - 1)
        self.closing()
        return self.session

    def plan(self, calls: int) -> list[str]:
        """The tools in order; agents, skills and MCP come in their share of sessions only."""
        rng = self.rng
        plan = rng.choices(list(self.era.tools), list(self.era.tools.values()), k=calls)
        wanted: list[str] = []
        if rng.random() < measured.SESSIONS_WITH["agent"]:
            wanted += [self.era.agent_tool] * rng.choice((1, 1, 2, 3))
        if rng.random() < measured.SESSIONS_WITH["skill"]:
            wanted += [self.era.skills] * rng.choice((1, 1, 2))
        if rng.random() < measured.SESSIONS_WITH["mcp"]:
            wanted += [self.mcp_tool()] * rng.randrange(2, 9)
        for tool in wanted:
            plan.insert(rng.randrange(len(plan) + 1), tool)
        return plan

    def opening(self) -> None:
        thread = self.main.thread
        if not self.era.late:
            self.main.add({"type": "summary", "summary": self.words(30), "leafUuid": "none"})
            return
        now = self.tick()
        self.main.add(
            lines.metadata(thread, "mode", mode="normal"),
            lines.metadata(thread, "permission-mode", permissionMode="acceptEdits"),
            lines.attachment(thread, "skill_listing", now, content=self.words(2_400)),
            lines.attachment(thread, "deferred_tools_delta", now, addedNames=[self.words(20)]),
        )

    def closing(self) -> None:
        thread = self.main.thread
        if self.era.late:
            cost = {self.main.model: {"costUSD": round(self.rng.uniform(0.01, 9), 4)}}
            self.main.add(
                lines.metadata(thread, "ai-title", aiTitle=self.words(40)),
                lines.metadata(thread, "cost-state", modelUsage=cost),
            )

    def ask(self) -> None:
        """The next prompt, with what each version writes around it."""
        rng, thread = self.rng, self.main.thread
        self.context_skill = {}
        words = self.words(int(measured.draw(rng, measured.PROMPT_CHARS)))
        typed: str | list[Block] = words
        if rng.random() < 0.012:
            data = self.prose.noise(rng, rng.randrange(20_000, 120_000))
            source = {"type": "base64", "media_type": "image/png", "data": data}
            typed = [lines.text(words), {"type": "image", "source": source}]
        fields: Line = dict(lines.HUMAN) if self.era.late else {}
        if self.era.late and rng.random() < 0.4:
            self.main.add(lines.queue_operation(thread, "enqueue", words, at=self.tick(0.2)))
            self.main.add(lines.queue_operation(thread, "dequeue", "", at=self.tick(0.2)))
        asked = lines.prompt(thread, typed, at=self.tick(0.1), **fields)
        snapshot = {"messageId": asked["uuid"], "trackedFileBackups": {}}
        kept = lines.metadata(
            thread, "file-history-snapshot", messageId=asked["uuid"], snapshot=snapshot
        )
        self.main.add(kept, asked)
        if self.era.late:
            self.main.add(lines.attachment(thread, "todo_reminder", self.tick(0), content=[]))

    def turn_ends(self) -> None:
        thread = self.main.thread
        if self.era.late:
            self.main.add(
                lines.system(thread, "turn_duration", at=self.tick(0.1), durationMs=40_000),
                lines.metadata(thread, "last-prompt", lastPrompt=self.words(60)),
                lines.metadata(thread, "mode", mode="normal"),
            )
        elif self.era.progress:
            self.main.add(lines.system(thread, "stop_hook_summary", at=self.tick(0.1), hookCount=1))

    def type_command(self) -> None:
        """A client command, or a plugin's command or skill with its body."""
        rng, thread = self.rng, self.main.thread
        if rng.random() < 0.6:
            name = rng.choice(measured.CLIENT_COMMANDS)
            caveat = "<local-command-caveat>Caveat: a local command.</local-command-caveat>"
            said = f"<local-command-stdout>{self.words(60)}</local-command-stdout>"
            self.main.add(
                lines.meta(thread, caveat, at=self.tick(1)),
                lines.command(thread, name, at=self.tick(0)),
                lines.prompt(thread, said, at=self.tick(0.1)),
            )
            return
        name, path = self.skill()
        self.main.add(lines.command(thread, name, at=self.tick(2), args=self.words(20)))
        self.main.add(self.body(path, {}))
        self.work(self.main, self.rng.choices(("Read", "Bash"), k=rng.randrange(3)))
