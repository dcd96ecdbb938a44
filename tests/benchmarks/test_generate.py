"""The generator's trees: always the same, readable, and shaped like real ones."""

import json
from collections import Counter, defaultdict
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import zstandard

from benchmarks.calibration import LINES_PER_RESPONSE, RESULT_BYTES
from benchmarks.generate import generate
from benchmarks.transcript_lines import Line
from tests.reference.slow_count import count_person

MEGABYTES = 30


@pytest.fixture(scope="module")
def late(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tree(tmp_path_factory, "late2026")


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tree(tmp_path_factory, "old")


def tree(factory: pytest.TempPathFactory, shape: str) -> Path:
    out = factory.mktemp(shape)
    generate(out, megabytes=MEGABYTES, seed=15, shape=shape)
    return out


def transcripts(root: Path) -> list[Path]:
    return sorted(root.rglob("*.jsonl"))


@cache
def records(root: Path) -> list[Line]:
    """Every readable line once: copies in forks and archives carry the same uuid."""
    found: dict[object, Line] = {}
    for path in transcripts(root):
        for number, raw in enumerate(path.read_bytes().split(b"\n")):
            try:
                record = json.loads(raw)
            except ValueError:
                continue
            if isinstance(record, dict):
                found[record.get("uuid") or (path.name, number)] = record
    return list(found.values())


def share(counts: Counter[Any], key: object) -> float:
    return counts[key] / counts.total()


def test_the_same_arguments_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        generate(tmp_path / name, megabytes=3, seed=5)

    one, two = transcripts(tmp_path / "one"), transcripts(tmp_path / "two")

    assert [path.relative_to(tmp_path / "one") for path in one] == [
        path.relative_to(tmp_path / "two") for path in two
    ]
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]


def test_another_seed_gives_other_sessions(tmp_path: Path) -> None:
    for seed in (5, 6):
        generate(tmp_path / str(seed), megabytes=1, seed=seed)

    names = [{path.name for path in transcripts(tmp_path / str(seed))} for seed in (5, 6)]

    assert not names[0] & names[1]


def test_it_writes_as_much_as_asked_for_and_says_what(tmp_path: Path) -> None:
    totals = generate(tmp_path, megabytes=5, seed=2)

    written = transcripts(tmp_path)
    assert totals.bytes == sum(path.stat().st_size for path in written) >= 5_000_000
    assert totals.files == len(written)


def test_every_line_can_be_read_but_for_the_damaged_ones(tmp_path: Path) -> None:
    totals = generate(tmp_path, megabytes=25, seed=4, people=2)

    folders = [path.relative_to(tmp_path).parts[0] for path in transcripts(tmp_path)]
    figures = [count(tmp_path / user) for user in sorted(set(folders))]

    assert totals.damaged > 0 < totals.mended
    assert sum(one.bad_lines for one in figures) == totals.damaged
    assert sum(one.mended_lines for one in figures) >= totals.mended
    assert sum(len(one.sessions) for one in figures) == totals.sessions


def count(root: Path) -> Any:
    files: dict[str, list[bytes]] = defaultdict(list)
    for path in transcripts(root):
        folder = path.parent.parent.name + "/" if path.parent.name == "subagents" else ""
        files[folder + path.name].append(path.read_bytes())
    return count_person(files)


def test_late_lines_have_their_real_shares(late: Path) -> None:
    kinds = Counter(record["type"] for record in records(late))
    hooks = Counter(
        record["attachment"]["type"].startswith("hook_")
        for record in records(late)
        if record["type"] == "attachment"
    )

    assert share(kinds, "attachment") == pytest.approx(0.27, abs=0.03)
    assert share(kinds, "assistant") == pytest.approx(0.38, abs=0.04)
    assert share(kinds, "user") == pytest.approx(0.23, abs=0.04)
    assert share(hooks, True) == pytest.approx(0.83, abs=0.1)
    assert kinds["progress"] == 0


def test_old_lines_have_their_real_shares(old: Path) -> None:
    kinds = Counter(record["type"] for record in records(old))

    assert share(kinds, "progress") == pytest.approx(0.34, abs=0.07)
    assert kinds["attachment"] == 0


def test_answers_take_as_many_lines_as_real_ones(late: Path) -> None:
    lines = Counter(
        record["message"]["id"] for record in records(late) if record["type"] == "assistant"
    )
    sizes = Counter(lines.values())

    for size in (1, 2, 3):
        assert share(sizes, size) == pytest.approx(LINES_PER_RESPONSE[size] / 100, abs=0.08)
    assert sum(lines.values()) / len(lines) == pytest.approx(2.12, abs=0.25)


def test_only_old_answers_lack_their_final_usage(old: Path, late: Path) -> None:
    assert without_stop_reason(old) > 0.7
    assert without_stop_reason(late) < 0.1


def without_stop_reason(root: Path) -> float:
    final: dict[str, bool] = defaultdict(bool)
    for record in records(root):
        if record["type"] == "assistant":
            message = record["message"]
            final[message["id"]] |= message["stop_reason"] is not None
    return 1 - sum(final.values()) / len(final)


def test_tools_are_called_and_fail_as_often_as_real_ones(late: Path) -> None:
    calls, errors, sizes = traffic(late)
    tools = Counter(calls.values())

    assert share(tools, "Bash") == pytest.approx(0.30, abs=0.05)
    assert share(tools, "Read") == pytest.approx(0.23, abs=0.06)
    assert share(tools, "Edit") == pytest.approx(0.21, abs=0.05)
    assert errors["Bash"] / tools["Bash"] == pytest.approx(0.1, abs=0.04)
    assert errors["Read"] / tools["Read"] == pytest.approx(0.016, abs=0.02)
    for tool in ("Read", "Edit", "Bash", "Grep"):
        median = sorted(sizes[tool])[len(sizes[tool]) // 2]
        assert median == pytest.approx(dict(RESULT_BYTES[tool])[0.5], rel=0.3)


def traffic(root: Path) -> tuple[dict[str, str], Counter[str], dict[str, list[int]]]:
    """Tool name by call, flagged results by tool, bytes of result lines by tool."""
    calls: dict[str, str] = {}
    errors: Counter[str] = Counter()
    sizes: dict[str, list[int]] = defaultdict(list)
    for record in records(root):
        content = record.get("message", {}).get("content")
        for block in content if isinstance(content, list) else []:
            if block["type"] == "tool_use":
                calls[block["id"]] = block["name"]
            elif block["type"] == "tool_result" and block["tool_use_id"] in calls:
                tool = calls[block["tool_use_id"]]
                errors[tool] += bool(block.get("is_error"))
                sizes[tool].append(len(json.dumps(record, ensure_ascii=False)))
    return calls, errors, sizes


def test_text_compresses_like_real_text(late: Path) -> None:
    contents = [path.read_bytes() for path in transcripts(late)]

    packed = sum(len(zstandard.compress(content, 1)) for content in contents)

    assert sum(map(len, contents)) / packed == pytest.approx(3.5, abs=0.7)


def test_late_trees_hold_every_shape_there_is(late: Path) -> None:
    seen = {key for record in records(late) for key in record}
    kinds = {record["type"] for record in records(late)}
    tools = set(traffic(late)[0].values())

    assert list(late.rglob("*/subagents/agent-*.meta.json"))
    assert {"forkedFrom", "attributionSkill", "attributionPlugin", "origin", "promptSource"} <= seen
    assert {"ai-title", "last-prompt", "mode", "cost-state", "queue-operation"} <= kinds
    assert {"Agent", "Skill"} <= tools
    assert any(tool.startswith("mcp__plugin_") for tool in tools)
    assert any("plugins/cache/" in str(record) for record in records(late) if record.get("isMeta"))


def test_old_trees_hold_every_shape_there_was(old: Path) -> None:
    shown = {record["data"]["type"] for record in records(old) if record["type"] == "progress"}
    tools = set(traffic(old)[0].values())
    flat = [path for path in old.rglob("agent-*.jsonl") if path.parent.name != "subagents"]

    assert shown == {"hook_progress", "bash_progress", "agent_progress"}
    assert {"Task", "TodoWrite", "SlashCommand", "Skill"} <= tools
    assert flat
    assert list(old.rglob("*/subagents/agent-*.jsonl"))
