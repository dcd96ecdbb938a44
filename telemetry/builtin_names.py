"""Names that Anthropic ships with Claude Code: a closed list, kept by hand, over all versions.

A name that is on it is builtin, a name that is not is never called so. Names are compared exactly,
letter case included, and never hold a colon. Old names stay, because old transcripts do.

Adding or removing a name: raise `BUILTIN_VERSION` (stored events are then attributed anew), and
only with one of the sources that each group names. Names that only Anthropic's own staff or an
unreleased build can use are left out, as are the names of plugins of Anthropic's marketplaces:
those are registered like any other marketplace.
"""

from typing import Final

BUILTIN_VERSION: Final = 1


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Source: the tools reference of the documentation (code.claude.com/docs/en/tools-reference), and
# for tools it no longer has: the system/init lines and tool calls of 1.0.x to 2.1.x transcripts.
TOOLS: Final = _names(
    # Files, search, shell.
    "Read Edit MultiEdit Write NotebookRead NotebookEdit Glob Grep LS LSP "
    "Bash BashOutput KillBash KillShell PowerShell Monitor REPL "
    # Web.
    "WebFetch WebSearch "
    # Agents, teams, workflows.
    "Task Agent AgentOutputTool BashOutputTool SendMessage SubagentHandback ListAgents "
    "TeamCreate TeamDelete Teammate Workflow "
    # Task lists and background tasks; TaskOutput and TaskStop follow BashOutput and KillShell.
    "TodoRead TodoWrite TaskCreate TaskGet TaskList TaskUpdate TaskOutput TaskStop "
    # Time.
    "CronCreate CronDelete CronList ScheduleWakeup RemoteTrigger "
    # The course of a session.
    "AskUserQuestion EnterPlanMode ExitPlanMode exit_plan_mode EnterWorktree ExitWorktree "
    "EndConversation SendUserMessage SendUserFile PushNotification SendFeedback "
    "StructuredOutput ReportFindings SuggestSkills "
    # Skills, tool discovery, MCP resources.
    "Skill SlashCommand ToolSearch MCPSearch WaitForMcpServers ListMcpResourcesTool "
    "ReadMcpResourceTool ReadMcpResourceDirTool ListMcpResources ReadMcpResource "
    # claude.ai.
    "Artifact ArtifactComments DesignSync ShareOnboardingGuide"
)

# Source: "Built-in subagents" of the documentation (…/en/sub-agents), the agent lists in
# system/init and agent_listing_delta lines, and the agentType of workflow agents' meta files.
AGENTS: Final = _names(
    "general-purpose Explore Plan Bash claude fork statusline-setup output-style-setup "
    "claude-code-guide workflow-subagent"
)

# Source: the commands reference (…/en/commands, earlier …/en/slash-commands and
# …/en/interactive-mode) with its aliases and removed commands, and the slash_commands of
# system/init lines up to 2.1.293.
COMMANDS: Final = _names(
    # Session.
    "clear reset new compact context resume continue rewind checkpoint undo branch fork btw "
    "rename tag export copy recap exit quit focus goal plan autocompact "
    # Settings and interface.
    "config settings theme color vim model effort fast output-style statusline terminal-setup "
    "keybindings tui voice allowed-tools permissions auto-mode-setup sandbox add-dir advisor "
    "privacy-settings hooks memory help release-notes powerup stickers "
    # Extensions.
    "agents list-agents skills reload-skills skill-doctor plugin plugins marketplace "
    "reload-plugins mcp ide chrome import "
    # Account, usage, feedback.
    "login logout upgrade passes usage cost stats usage-credits extra-usage insights "
    "rate-limit-options status feedback bug doctor heapdump "
    # Work.
    "init review ultrareview security-review pr-comments pr_comments diff todos tasks bashes "
    "workflows workflow-launch-exec __remote-workflow ultraplan autofix-pr team-onboarding "
    # Elsewhere: web, desktop, phone, apps, clouds.
    "teleport tp remote-control rc remote-env web-setup desktop app mobile ios android "
    "install-github-app install-slack-app setup-bedrock setup-vertex migrate-installer "
    "artifacts design-consent design-revoke"
)

# Source: "Bundled skills" of the documentation (…/en/skills, …/en/commands) with their aliases,
# and the skills of system/init lines up to 2.1.293.
SKILLS: Final = _names(
    "batch simplify debug loop proactive schedule routines claude-api fewer-permission-prompts "
    "update-config keybindings-help code-review verify run run-skill-generator doctor "
    "deep-research dataviz design design-sync slides workflow-authoring plugin-authoring "
    "artifact-capabilities artifact-diagramming claude-in-chrome"
)

# Source: the documentation of the IDE extensions (…/en/vs-code: server `ide`), of the browser
# (…/en/chrome: server `claude-in-chrome`) and of computer use (…/en/computer-use). Servers that
# claude.ai connects (`claude_ai_…`) belong to others and are not builtin.
MCP_SERVERS: Final = frozenset(("ide", "claude-in-chrome", "computer-use"))
