"""What is known of Claude Code's format, so that anything else can be counted as drift.

Collected from transcripts of versions 1.0.0 to 2.1.286. Adding a name here changes no figure but
the drift's.
"""


def _names(words: str) -> frozenset[str]:
    return frozenset(words.split())


LATEST_VERSION = (2, 1, 286)
"""The newest Claude Code version whose lines were looked at."""

RECORD_TYPES = _names(
    """
    user assistant system attachment progress summary ai-title custom-title agent-name
    agent-color agent-setting tag last-prompt mode permission-mode pr-link worktree-state relocated
    bridge-session cost-state atis-latch frame-link continued-in ended-by-model
    file-history-snapshot file-history-delta queue-operation content-replacement fork-context-ref
    history-suppression attribution-snapshot turn_end launched started result
    """
)

RECORD_PREFIXES = ("artifact-",)
"""What the names of whole families of record types begin with."""

SYSTEM_SUBTYPES = _names(
    """
    stop_hook_summary turn_duration compact_boundary microcompact_boundary local_command
    api_error away_summary informational bridge_status scheduled_task_fire agents_killed
    """
)

BLOCK_TYPES = _names(
    """
    text thinking redacted_thinking tool_use server_tool_use tool_result image document
    tool_reference web_search_tool_result web_fetch_tool_result
    """
)

ATTACHMENT_TYPES = _names(
    """
    hook_success hook_non_blocking_error hook_blocking_error hook_cancelled hook_system_message
    hook_additional_context hook_stopped_continuation skill_listing agent_listing_delta
    deferred_tools_delta mcp_instructions_delta invoked_skills dynamic_skill command_permissions
    queued_command plan_mode plan_mode_exit plan_mode_reentry plan_file_reference file
    edited_text_file edited_image_file compact_file_reference directory selected_lines_in_ide
    opened_file_in_ide todo todo_reminder task_reminder task_status nested_memory
    relevant_memories date_change model environment prompt_snapshot session_context output_style
    diagnostics critical_system_reminder ultramemory auto_mode auto_mode_exit teammate_mailbox
    team_context async_hook_response
    """
)

PROGRESS_TYPES = _names(
    """
    agent_progress hook_progress bash_progress mcp_progress waiting_for_task query_update
    search_results_received skill_progress powershell_progress
    """
)

LINE_KEYS = _names(
    """
    advisorModel agentColor agentId agentName agentSetting aiTitle apiError apiErrorStatus
    attachment attributionAgent attributionMcpServer attributionMcpTool attributionPlugin
    attributionSkill cause caller color compactMetadata content costState costUSD customTitle
    cwd data durationMs effort entrypoint error errorDetails forkedFrom gitBranch hasOutput
    hookAdditionalContext hookCount hookErrors hookInfos imagePasteIds interruptedMessageId
    isAbortedMidStream isApiErrorMessage isCompactSummary isMeta isSidechain isSnapshotUpdate
    isVisibleInTranscriptOnly key lastPrompt leafUuid level logicalParentUuid maxRetries mcpMeta
    message messageCount messageId microcompactMetadata mode model operation origin originalSize
    parentToolUseID parentUuid permissionMode planContent prNumber prRepository prUrl
    preventedContinuation promptId promptSource quotaLimits reason requestId result retryAttempt
    retryInMs sessionId sessionKind session_id setting slug snapshot sourceToolAssistantUUID
    sourceToolUseID status stopReason subtype summary tag targetSessionId teamName
    thinkingMetadata timestamp title todos toolDenialKind toolUseID toolUseResult
    trackedFileBackups turnOrigin type url userType uuid version worktreeSession
    classifierMetaLines pendingBackgroundAgentCount pendingWorkflowCount promptText agentType
    description workflowName parentAgentId delta
    """
)
"""Top-level keys of all record types together."""


def is_known_record(name: str | None) -> bool:
    """Whether this is the type of a known record, or of one of a known family."""
    return name is not None and (name in RECORD_TYPES or name.startswith(RECORD_PREFIXES))


def is_known_version(version: str) -> bool:
    """Whether a version like `2.1.240` is not newer than the newest one looked at."""
    parts = version.split("-", 1)[0].split(".")
    if len(parts) != 3 or not all(
        part.isascii() and part.isdigit() and len(part) < 10 for part in parts
    ):
        return False
    return tuple(int(part) for part in parts) <= LATEST_VERSION
