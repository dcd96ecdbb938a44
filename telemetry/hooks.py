"""Hook runs: by far the most numerous lines, counted apart from tools."""

from typing import NamedTuple

from telemetry.skill_paths import hook_plugin
from telemetry.transcripts import HookInfo, Line, Progress

_RESULTS = {
    "hook_success": "success",
    "hook_non_blocking_error": "non_blocking_error",
    "hook_blocking_error": "blocking_error",
    "hook_cancelled": "cancelled",
}
"""Attachments that stand for a run; hook_additional_context and the like are what a run said."""


class HookRun(NamedTuple):
    """One run of a hook; `at` in ms."""

    at: int
    event: str
    name: str
    plugin: str
    result: str


def gather(runs: dict[str, list[HookRun]], line: Line, identity: str, at: int) -> None:
    """Add the hook runs that an attachment or a summary of stop hooks tells of."""
    if line.type == "attachment" and line.attachment is not None:
        result = _RESULTS.get(line.attachment.type or "")
        if result:
            _add(runs, identity, [_run(line.attachment, at, result)])
    elif line.type == "system" and line.subtype == "stop_hook_summary" and line.hookInfos:
        _add(runs, identity, [_run(info, at, "summarised", "Stop") for info in line.hookInfos])


def gather_progress(
    runs: dict[str, list[HookRun]], progress: Progress, identity: str, at: int
) -> None:
    """Add the hook run that a progress line of an older version tells of."""
    _add(runs, identity, [_run(progress, at, "started")])


def settled(runs: dict[str, list[HookRun]]) -> list[HookRun]:
    """The runs to count: where stop hooks were summarised, their single lines are the same runs."""
    every = [run for of_line in runs.values() for run in of_line]
    if not any(run.result == "summarised" for run in every):
        return every
    return [run for run in every if run.event != "Stop" or run.result == "summarised"]


def _add(runs: dict[str, list[HookRun]], identity: str, found: list[HookRun]) -> None:
    """Of several copies of a line the earliest holds."""
    runs[identity] = min(runs.get(identity, found), found)


def _run(info: HookInfo, at: int, result: str, event: str = "") -> HookRun:
    event = event or info.hookEvent or "unknown"
    return HookRun(at, event, info.hookName or event, hook_plugin(info.command or ""), result)
