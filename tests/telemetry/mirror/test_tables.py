"""The order of columns, which readers of an export rely on."""

import pytest

from telemetry.mirror.tables import BY_NAME

EVENTS = """
    id session_id session_file user_id username event_uuid parent_uuid event_type tool_name
    skill_name subagent_type command_name is_error outcome activation_id is_invocation source ref_id
    marketplace plugin item_kind evidence item_version context_skill context_plugin response_id
    tool_use_id agent_id model project git_branch cwd occurred_at processor_version extracted_at
"""
RESPONSES = """
    id session_id user_id username model occurred_at input_tokens output_tokens
    cache_creation_tokens cache_creation_5m_tokens cache_creation_1h_tokens cache_read_tokens
    usage_final is_sidechain source ref_id marketplace plugin context_skill context_plugin cost_usd
"""
SUMMARY = """
    session_file session_id user_id username started_at ended_at active_seconds wall_seconds prompts
    user_messages assistant_messages tool_calls tool_errors skill_invocations subagent_dispatches
    mcp_calls slash_commands distinct_tools distinct_skills primary_model input_tokens output_tokens
    cache_read_tokens cache_creation_tokens usage_final_share cost_usd processor_version
    extracted_at uploaded_at
"""


@pytest.mark.parametrize(
    ("table", "first", "others"),
    [
        ("usage_events", EVENTS, set()),
        (
            "usage_responses",
            RESPONSES,
            {"message_id", "agent_id", "processor_version", "extracted_at"},
        ),
        (
            "usage_session_summary",
            SUMMARY,
            {
                *("project", "title", "git_branch", "version", "tool_rejections"),
                *("tool_interruptions", "hook_runs", "responses", "held_elsewhere"),
                *("lines", "bad_lines", "mended_lines"),
            },
        ),
    ],
)
def test_the_contracts_columns_stand_first_and_the_sessions_key_last(
    table: str, first: str, others: set[str]
) -> None:
    names, wanted = BY_NAME[table].column_names, tuple(first.split())

    assert names[: len(wanted)] == wanted
    assert set(names[len(wanted) : -1]) == others
    assert names[-1] == "session_pk"


def test_other_tables_begin_with_their_key_and_keep_the_models_order() -> None:
    assert BY_NAME["usage_people"].column_names == ("user_id", "username")
    assert BY_NAME["usage_tool_daily"].column_names[:3] == ("day", "tool_name", "source")
