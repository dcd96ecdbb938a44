"""What happens in the demo's sessions, told to a Scribe. Every choice comes from `rng`."""

import random
from datetime import datetime

from telemetry.demo import catalogue, words
from telemetry.demo.catalogue import Plugin
from telemetry.demo.people import HAIKU, Person
from telemetry.demo.scribe import Line, Scribe, new_uuid

TOOLS = {"Bash": 34, "Read": 24, "Edit": 20, "Grep": 11, "Write": 4, "Glob": 3, "TaskUpdate": 4}
FAILED = {"Bash": 0.09, "Edit": 0.05, "Write": 0.03, "Read": 0.015, "Grep": 0.01}
REJECTED = {"Bash": 0.015, "Edit": 0.02, "Write": 0.015}
INTERRUPTED = 0.006
SKILL_FAILS = 0.06

ACTS = {
    "skill": 10,
    "typed_skill": 6,
    "ambiguous_skill": 2,
    "personal_skill": 4,
    "plugin_command": 5,
    "builtin_command": 9,
    "agent": 10,
    "plugin_agent": 6,
    "plugin_mcp": 6,
    "personal_mcp": 4,
    "api_error": 2,
    "oddity": 1,
    "nothing": 35,
}
"""How often, in hundred prompts, something beside ordinary tools happens after one."""

WITH_SKILLS = [plugin for plugin in catalogue.PLUGINS for _ in plugin.skills]
HOUSE_SKILLS = (catalogue.RELEASE_CREW, catalogue.STANDUP_NOTES)
"""What everybody uses every few days: one curated item, one of the flea market."""


class Story:
    """One session in the making: the main file's scribe and those of its subagents."""

    def __init__(
        self, rng: random.Random, person: Person, start: datetime, *, headless: bool = False
    ) -> None:
        self.rng = rng
        self.person = person
        self.project = rng.choice(person.projects)
        self.main = self._scribe(new_uuid(rng), start, person.model, headless=headless)
        self.agents: list[Scribe] = []

    def files(self) -> list[Scribe]:
        return [self.main, *self.agents]

    def _scribe(
        self, session_id: str, at: datetime, model: str, agent_id: str = "", headless: bool = False
    ) -> Scribe:
        return Scribe(
            session_id,
            at=at,
            cwd=f"{self.person.home}/{self.project}",
            model=model,
            version=self.person.version,
            agent_id=agent_id,
            headless=headless,
        )

    # --- Whole sessions ------------------------------------------------------------------------

    def nightly_checks(self) -> None:
        """A short session that a timer starts."""
        title, asked = words.NIGHTLY
        self.main.prompt(asked)
        self.work(self.main, {"Bash": 5, "Read": 1}, self.rng.randrange(4, 9))
        self.main.say(self.rng.choice(words.DONE))
        self.main.title(title)

    def working_session(self, house: Plugin | None = None) -> None:
        """Some prompts with tool calls after each; `house` is a plugin it uses in any case."""
        title, asked = self.rng.choice(words.TASKS[self.project])
        self.main.prompt(asked)
        if house is not None:
            self.use_skill(house, house.skills[0])
        for at in range(self.rng.choice((1, 1, 2, 2, 3, 5))):
            if at:
                self.main.wait(30, 420)
                self.main.prompt(self.rng.choice(words.FOLLOW_UPS))
            self.work(self.main, TOOLS, self.rng.randrange(2, 12))
            self.act()
            self.main.say(self.rng.choice(words.DONE))
        self.main.title(title)

    def fork_of(self, other: Scribe) -> None:
        """What /branch makes: the other session's beginning, then another way on."""
        self.main.cwd, self.main.at = other.cwd, other.at
        self.main.wait(60, 600)
        self.main.copy_from(other, 2 * len(other.written) // 3)
        self.main.prompt("Try it the other way round")
        self.work(self.main, TOOLS, self.rng.randrange(3, 8))
        self.main.say(self.rng.choice(words.DONE))
        self.main.title("The other way round")

    # --- What happens after a prompt -----------------------------------------------------------

    def act(self) -> None:
        """Perhaps one of ACTS."""
        kind = self.rng.choices(list(ACTS), list(ACTS.values()))[0]
        if kind != "nothing":
            getattr(self, f"_{kind}")()

    def work(self, scribe: Scribe, tools: dict[str, int], calls: int) -> None:
        """Ordinary tool calls, most of which succeed."""
        for tool in self.rng.choices(list(tools), list(tools.values()), k=calls):
            said = self.rng.choice(words.SAID) if self.rng.random() < 0.3 else ""
            call = scribe.call(tool, self._arguments(tool), said=said)
            scribe.wait(0.1, 25 if tool == "Bash" else 2)
            self._finish(scribe, tool, call)
            if tool in ("Edit", "Write") and self.rng.random() < 0.5:
                kind = "hook_success" if self.rng.random() < 0.95 else "hook_non_blocking_error"
                scribe.hook("PostToolUse", tool, "harbour-tools/release-crew/1.8.2", kind)

    def use_skill(self, plugin: Plugin, skill: str, *, typed: bool = False) -> None:
        """An activation: typed, or called by the model; the body that follows tells the plugin."""
        folder = f"{self.person.home}/.claude/plugins/cache/{plugin.body_path(skill)}"
        if typed:
            self.main.command(skill, "this week")
            self.main.skill_body(folder)
            return
        call = self.main.call("Skill", {"skill": skill})
        if self.rng.random() < SKILL_FAILS:
            self.main.failure(call, f"Unknown skill: {skill}")
            return
        done = {"success": True, "commandName": skill}
        self.main.result(call, f"Launching skill: {skill}", structured=done)
        self.main.skill_body(folder, call)

    def _finish(self, scribe: Scribe, tool: str, call: str) -> None:
        drawn = self.rng.random()
        failed = FAILED.get(tool, 0.0)
        rejected = 0.0 if scribe.headless or scribe.agent_id else REJECTED.get(tool, 0.0)
        if drawn < failed:
            scribe.failure(call, "Exit code 1\n2 failed" if tool == "Bash" else "No such file")
        elif drawn < failed + rejected:
            scribe.rejection(call)
        elif drawn < failed + rejected + INTERRUPTED:
            scribe.interruption(call)
        else:
            scribe.result(call, "ok\n" * self.rng.randrange(1, 12))

    def _arguments(self, tool: str) -> Line:
        if tool == "Bash":
            return {"command": self.rng.choice(words.COMMANDS), "description": "Look around"}
        if tool == "TaskUpdate":
            return {"taskId": "1", "status": "completed"}
        return {"file_path": f"{self.main.cwd}/{self.rng.choice(words.FILES)}"}

    def _skill(self) -> None:
        plugin = self.rng.choice(WITH_SKILLS)
        self.use_skill(plugin, self.rng.choice(plugin.skills))

    def _typed_skill(self) -> None:
        plugin = self.rng.choice(WITH_SKILLS)
        self.use_skill(plugin, self.rng.choice(plugin.skills), typed=True)

    def _ambiguous_skill(self) -> None:
        """Two marketplaces have it, and this time no body tells which one was meant."""
        call = self.main.call("Skill", {"skill": catalogue.AMBIGUOUS_SKILL})
        self.main.result(call, f"Launching skill: {catalogue.AMBIGUOUS_SKILL}")

    def _personal_skill(self) -> None:
        name = catalogue.PERSONAL_SKILL
        call = self.main.call("Skill", {"skill": name})
        self.main.result(call, f"Launching skill: {name}")
        self.main.skill_body(f"{self.person.home}/.claude/skills/{name}", call)

    def _plugin_command(self) -> None:
        plugin = self.rng.choice([one for one in catalogue.PLUGINS if one.commands])
        self.main.command(self.rng.choice(plugin.commands))
        self.work(self.main, TOOLS, 2)

    def _builtin_command(self) -> None:
        self.main.command(self.rng.choice(words.BUILTIN_COMMANDS))

    def _plugin_mcp(self) -> None:
        plugin, tool = self.rng.choice(
            ((catalogue.TIDE_TABLES, "read_level"), (catalogue.TEST_PILOT, "open_page"))
        )
        self._mcp(f"mcp__plugin_{plugin.name}_{plugin.servers[0]}__{tool}")

    def _personal_mcp(self) -> None:
        self._mcp(catalogue.PERSONAL_MCP_TOOL)

    def _mcp(self, tool: str) -> None:
        for _ in range(self.rng.randrange(1, 4)):
            call = self.main.call(tool, {"place": "north pier"})
            self.main.wait(0.2, 3)
            if self.rng.random() < 0.1:
                self.main.failure(call, "The server did not answer")
            else:
                self.main.result(call, "2.31 m")

    def _agent(self) -> None:
        self._send(self.rng.choice(("general-purpose", "Explore")))

    def _plugin_agent(self) -> None:
        plugin = self.rng.choice([one for one in catalogue.PLUGINS if one.agents])
        self._send(self.rng.choice(plugin.agents))

    def _send(self, kind: str) -> None:
        """A subagent with a file of its own; its report comes when it is done."""
        asked = "Look through the project and list what is affected"
        given = {"description": "Look through", "prompt": asked, "subagent_type": kind}
        call = self.main.call("Agent", given)
        agent_id = f"{self.rng.getrandbits(68):017x}"
        agent = self._scribe(self.main.session_id, self.main.at, HAIKU, agent_id)
        agent.prompt(asked)
        self.work(agent, {"Read": 5, "Grep": 4, "Bash": 2, "Glob": 1}, self.rng.randrange(3, 9))
        agent.say("Four places are affected.")
        self.agents.append(agent)
        self.main.at = agent.at
        done = {"status": "completed", "agentId": agent_id, "totalToolUseCount": len(agent.written)}
        self.main.result(call, "Four places are affected.", structured=done)

    def _api_error(self) -> None:
        self.main.api_error()
        self.main.wait(5, 30)

    def _oddity(self) -> None:
        self.main.oddity("mood-note")
        self.main.damage()
