"""Hook runs are counted apart from tools, each once."""

from benchmarks.transcript_lines import Line, Thread, attachment, progress, prompt, system
from tests.telemetry.counting import DAY, after, count, thread


def ran(on: Thread, kind: str = "hook_success", event: str = "PostToolUse", **more: str) -> Line:
    named = {"hookEvent": event, "hookName": f"{event}:Edit", **more}
    return attachment(on, kind, after(0), **named)


def test_hook_runs_are_counted_by_event_name_plugin_and_result() -> None:
    on = thread()
    command = "python3 /m/plugins/cache/till-market/ledger/1.4.0/hooks/fmt.py"
    rows = count(ran(on, command=command), ran(on, command=command), ran(on, "hook_cancelled"))

    assert rows.hook_runs == {
        (DAY, "PostToolUse", "PostToolUse:Edit", "ledger", "success"): 2,
        (DAY, "PostToolUse", "PostToolUse:Edit", "", "cancelled"): 1,
    }
    assert (rows.events, rows.facts.tool_calls, rows.facts.hook_runs) == ([], 0, 3)


def test_a_plugins_variable_tells_no_plugin() -> None:
    rows = count(ran(thread(), command="python3 ${CLAUDE_PLUGIN_ROOT}/hooks/fmt.py"))

    assert [key[3] for key in rows.hook_runs] == [""]


def test_what_a_hook_said_is_no_run() -> None:
    on = thread()

    assert count(ran(on, "hook_additional_context"), ran(on, "hook_system_message")).hook_runs == {}


def test_the_progress_lines_of_older_versions_are_runs() -> None:
    data = {"type": "hook_progress", "hookEvent": "PreToolUse", "hookName": "PreToolUse:Bash"}
    rows = count(progress(thread(), "toolu_1", data, at=after(0)))

    assert rows.hook_runs == {(DAY, "PreToolUse", "PreToolUse:Bash", "", "started"): 1}


def test_summarised_stop_hooks_are_not_counted_again() -> None:
    on = thread()
    single = ran(on, event="Stop")
    summary = system(on, "stop_hook_summary", at=after(1), hookInfos=[{"command": "a"}, {}])

    rows = count(single, ran(on), summary)

    assert rows.hook_runs == {
        (DAY, "Stop", "Stop", "", "summarised"): 2,
        (DAY, "PostToolUse", "PostToolUse:Edit", "", "success"): 1,
    }


def test_a_run_without_any_time_is_in_the_total_and_in_no_day() -> None:
    line = attachment(thread(), "hook_success", None, hookEvent="Stop")
    rows = count(line)

    assert (rows.hook_runs, rows.facts.hook_runs) == ({}, 1)


def test_odd_hooks_do_no_harm() -> None:
    on = thread()
    lines = [
        attachment(on, "hook_success", after(0)),
        on.line("attachment", after(0), {"attachment": None}),
        on.line("attachment", after(0), {"attachment": "x"}),
        on.line("system", after(0), {"subtype": "stop_hook_summary", "hookInfos": [None, 7, {}]}),
        on.line("system", after(0), {"subtype": "stop_hook_summary", "hookInfos": {}}),
    ]

    rows = count(prompt(on, "x", at=after(0)), *lines)

    assert rows.hook_runs == {
        (DAY, "Stop", "Stop", "", "summarised"): 1,
        (DAY, "unknown", "unknown", "", "success"): 1,
    }
