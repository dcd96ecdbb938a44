"""A made-up session's answers: tool calls, results, hooks, skills, subagents."""

from datetime import datetime

from benchmarks import calibration as measured
from benchmarks import transcript_lines as lines
from benchmarks.telling import Side, Subagent, Telling
from benchmarks.transcript_lines import Block, Line, Thread

CONTEXT_TOKENS = 150_000
"""How full the context gets before it is compacted."""


class Answering(Telling):
    """Answers that call tools, and everything the calls bring about."""

    def work(self, side: Side, plan: list[str]) -> None:
        """Answers that make these calls, then one that makes none."""
        waiting = list(plan)
        while waiting:
            blocks, calls = self.blocks(side, waiting)
            self.respond(side, blocks, "tool_use")
            for call, tool, arguments in calls:
                self.carry_out(side, call, tool, arguments)
            if side.context > CONTEXT_TOKENS:
                self.compact(side)
        said = lines.text(self.words(self.rng.randrange(20, 1_500)))
        self.respond(
            side, [self.thought(), said] if self.rng.random() < 0.6 else [said], "end_turn"
        )

    def blocks(
        self, side: Side, waiting: list[str]
    ) -> tuple[list[Block], list[tuple[str, str, Line]]]:
        """One answer's blocks, as many as real answers have; its calls leave `waiting`."""
        wanted = self.rng.choices(
            list(measured.LINES_PER_RESPONSE), list(measured.LINES_PER_RESPONSE.values())
        )[0]
        before: list[Block] = []
        if wanted >= 2:
            before.append(self.thought() if self.rng.random() < 0.5 else self.said())
        if wanted == 3 and self.rng.random() < 0.5:
            before.append(self.said())
        calls: list[tuple[str, str, Line]] = []
        while waiting and len(before) + len(calls) < wanted:
            tool = waiting.pop(0)
            calls.append((lines.new_id(self.rng, "toolu"), tool, self.arguments(tool)))
        return before + [lines.tool_use(*call) for call in calls], calls

    def arguments(self, tool: str) -> Line:
        if tool in ("Task", "Agent"):
            return self.dispatch()
        if tool == "Skill":
            return {"skill": self.skill()[0], "args": self.words(20)}
        if tool == "SlashCommand":
            return {"command": f"/{self.skill()[0]} {self.words(20)}"}
        return self.bench.arguments(tool)

    def dispatch(self) -> Line:
        rng = self.rng
        size = int(measured.draw(rng, measured.INPUT_BYTES["Task"]))
        asked: Line = {"description": self.words(30), "prompt": self.words(size)}
        if rng.random() < 0.5:
            asked["subagent_type"] = rng.choice(measured.BUILTIN_AGENTS)
        elif rng.random() < 0.8:
            plugin = rng.choice(list(measured.PLUGINS))
            asked["subagent_type"] = f"{plugin}:{rng.choice(measured.PLUGINS[plugin]['agents'])}"
        return asked

    def respond(self, side: Side, blocks: list[Block], reason: str) -> None:
        """One answer: a line for each block, all with one id, usage growing as real ones do."""
        rng = self.rng
        if rng.random() < 0.003:
            side.add(lines.api_error(side.thread, "API Error: 529", at=self.tick()))
        message, request = lines.new_id(rng, "msg"), lines.new_id(rng, "req")
        output = int(measured.draw(rng, measured.OUTPUT_TOKENS)) // (1 if self.era.late else 4) + 9
        written = rng.randrange(200, 2_400)
        settled, final = self.usage_shape(side)
        for position, block in enumerate(blocks):
            last = position == len(blocks) - 1
            so_far = output if settled or last else rng.randrange(1, 9)
            numbers = lines.usage(read=side.context, written=written, output=so_far)
            fields: Line = {"requestId": request, **self.context_skill}
            stop = reason if final and (last or self.era.late) else None
            side.add(
                lines.answer(
                    side.thread,
                    block,
                    at=self.tick(),
                    message_id=message,
                    model=side.model,
                    numbers=numbers,
                    stop_reason=stop,
                    **fields,
                )
            )
        side.context += written

    def usage_shape(self, side: Side) -> tuple[bool, bool]:
        """Whether every line repeats the final usage, and whether any tells a stop_reason."""
        chance = self.rng.random()
        if side is not self.main:
            return chance >= measured.USAGE_DIFFERS, chance >= measured.AGENT_WITHOUT_STOP_REASON
        if self.era.late:
            unfinished = self.rng.random() < measured.LATE_WITHOUT_STOP_REASON
            return chance >= measured.LATE_USAGE_DIFFERS, not unfinished
        told = self.rng.random() >= measured.OLD_LINES_WITHOUT_STOP_REASON
        return chance >= measured.USAGE_DIFFERS, told

    def carry_out(self, side: Side, call: str, tool: str, arguments: Line) -> None:
        """The call's hooks or progress, its result, and whatever else it brings."""
        rng, thread = self.rng, side.thread
        if self.era.late and rng.random() < measured.HOOKS_PER_CALL / 2:
            side.add(lines.hook(thread, "PreToolUse", tool, call, "lantern", at=self.tick(0.05)))
        if tool in ("Task", "Agent") and side is self.main:
            self.send_agent(call, arguments)
            return
        if tool in ("Skill", "SlashCommand"):
            self.activate(call, tool, arguments)
            return
        if self.era.progress:
            self.show_progress(side, call, tool)
        if rng.random() >= measured.NO_RESULT:
            said = self.bench.answer(tool, arguments)
            at = self.tick(measured.draw(rng, measured.of_tool(measured.LATENCY_SECONDS, tool)))
            error = said.outcome != "ok"
            kept = {"interrupted": True} if said.outcome == "interrupted" else said.structured
            beside: Line = {"structured": kept, **said.fields}
            side.add(lines.result(thread, call, said.content, at=at, is_error=error, **beside))
        if self.era.late and rng.random() < measured.HOOKS_PER_CALL / 2:
            side.add(lines.hook(thread, "PostToolUse", tool, call, "quill", at=self.tick(0.05)))

    def show_progress(self, side: Side, call: str, tool: str) -> None:
        thread = side.thread
        if self.rng.random() < 0.9:
            data = {
                "type": "hook_progress",
                "hookEvent": "PreToolUse",
                "hookName": f"PreToolUse:{tool}",
            }
            side.add(lines.progress(thread, call, data, at=self.tick(0.02)))
        while tool == "Bash" and self.rng.random() < 0.55:
            data = {
                "type": "bash_progress",
                "output": self.words(300),
                "fullOutput": self.words(2_000),
            }
            side.add(lines.progress(thread, call, data, at=self.tick(1)))

    def send_agent(self, call: str, asked: Line) -> None:
        """A subagent's whole run, then its result; a late one may report by notification."""
        rng, thread = self.rng, self.main.thread
        agent = f"{rng.getrandbits(68):017x}"
        if self.era.agent_layout == "flat":
            agent = agent[:8]
        launched = self.now
        side = Side(Thread(thread.session_id, agent, thread.cwd, version=thread.version), [], "")
        side.model = measured.AGENT_MODEL if rng.random() < 0.6 else self.main.model
        if self.era.agent_copies:
            side.copy = lambda line: self.copy_agent_line(call, line)
        side.add(lines.prompt(side.thread, asked["prompt"], at=self.tick(0.1)))
        calls = round(measured.draw(rng, measured.AGENT_TOOL_CALLS))
        names, weights = list(measured.AGENT_TOOLS), list(measured.AGENT_TOOLS.values())
        self.work(side, rng.choices(names, weights, k=calls))
        kind = asked.get("subagent_type", "general-purpose")
        if self.era.agent_layout == "inline":
            for line in side.out:
                line.pop("agentId", None)
            self.main.out.extend(side.out)
        else:
            meta = {"agentType": kind, "description": asked["description"], "toolUseId": call}
            self.session.subagents.append(Subagent(agent, side.out, meta))
        self.agent_reports(call, agent, launched)

    def copy_agent_line(self, call: str, line: Line) -> None:
        self.main.add(lines.agent_progress(self.main.thread, call, line, at=self.now))

    def agent_reports(self, call: str, agent: str, launched: datetime) -> None:
        thread = self.main.thread
        report = self.words(int(measured.draw(self.rng, measured.RESULT_BYTES["Task"])) // 2)
        if self.era.late and self.rng.random() < 0.3:
            done: Line = {"isAsync": True, "status": "async_launched", "agentId": agent}
            self.main.add(lines.result(thread, call, "Launched.", at=launched, structured=done))
            told = f"<task-notification><task-id>{agent}</task-id>{report}</task-notification>"
            origin = {"kind": "task-notification"}
            self.main.add(
                lines.prompt(thread, told, at=self.tick(), origin=origin, promptSource="system")
            )
            return
        spent = int((self.now - launched).total_seconds() * 1000)
        content = [lines.text(report)]
        done = {
            "status": "completed",
            "agentId": agent,
            "totalDurationMs": spent,
            "content": content,
        }
        failed = self.rng.random() < measured.FAILED["Task"]
        structured: object = f"Error: {report[:80]}" if failed else done
        said = lines.result(
            thread, call, content, at=self.tick(), is_error=failed, structured=structured
        )
        self.main.add(said)

    def activate(self, call: str, tool: str, arguments: Line) -> None:
        """A skill activated by the model: the result, its body, and the fields that follow."""
        thread = self.main.thread
        name = str(
            arguments.get("skill") or str(arguments.get("command")).split()[0].removeprefix("/")
        )
        if self.rng.random() < measured.FAILED["Skill"]:
            unknown = f"<tool_use_error>Unknown skill: {name}</tool_use_error>"
            self.main.add(lines.result(thread, call, unknown, at=self.tick(0.05), is_error=True))
            return
        done = {"success": True, "commandName": name}
        launching = f"Launching skill: {name}"
        self.main.add(lines.result(thread, call, launching, at=self.tick(0.05), structured=done))
        plugin, _, skill = name.rpartition(":")
        path = ""
        if plugin:
            known = measured.PLUGINS[plugin]
            path = f"{known['marketplace'][0]}/{plugin}/{known['version'][-1]}/skills/{skill}"
        self.main.add(self.body(path, {"sourceToolUseID": call}))
        if self.era.late:
            self.context_skill = {"attributionSkill": name}
            if plugin:
                self.context_skill["attributionPlugin"] = plugin

    def compact(self, side: Side) -> None:
        thread = side.thread
        side.context = 20_000
        about = {"trigger": "auto", "preTokens": CONTEXT_TOKENS}
        side.add(
            lines.system(thread, "compact_boundary", at=self.tick(), compactMetadata=about),
            lines.prompt(thread, self.words(6_000), at=self.tick(), isCompactSummary=True),
        )

    def body(self, path: str, fields: Line) -> Line:
        if path:
            return lines.skill_body(self.main.thread, path, at=self.tick(0.02), **fields)
        return lines.meta(self.main.thread, self.words(900), at=self.tick(0.02), **fields)
