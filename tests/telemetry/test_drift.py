"""What telemetry does not know of the format is counted by day and by line."""

import random

import pytest

from benchmarks.transcript_lines import (
    LATE_VERSION,
    Line,
    answer,
    attachment,
    encode,
    forked,
    progress,
    prompt,
    system,
)
from telemetry.drift import MAX_NAMES, OTHERS
from telemetry.format_known import LATEST_VERSION, RECORD_TYPES, is_known_version
from tests.telemetry.counting import DAY, FIRST, MAIN, SECOND, after, count, count_files, thread


def drift(*lines: Line) -> dict[tuple[str, str, str], int]:
    return count(prompt(thread(), "x", at=after(0)), *lines).drift


def test_known_lines_are_no_drift() -> None:
    on = thread()

    assert drift(system(on, "turn_duration", at=after(1)), attachment(on, "file", after(1))) == {}


def test_unknown_things_are_counted_by_kind_and_day() -> None:
    on = thread()
    found = drift(
        on.line("from-the-future", after(1), {}),
        on.line("system", after(1), {"subtype": "new-subtype"}),
        attachment(on, "new-attachment", after(1)),
        progress(on, "t", {"type": "new-progress"}, at=after(1)),
        answer(on, {"type": "new-block"}, at=after(1)),
        prompt(on, [{"type": "new-block"}], at=after(1)),
        {**prompt(on, "x", at=after(1)), "newKey": 1, "version": "9.0.0"},
    )

    assert found == {
        (DAY, "record", "from-the-future"): 1,
        (DAY, "system", "new-subtype"): 1,
        (DAY, "attachment", "new-attachment"): 1,
        (DAY, "progress", "new-progress"): 1,
        (DAY, "block", "new-block"): 2,
        (DAY, "key", "newKey"): 1,
        (DAY, "version", "9.0.0"): 1,
    }


def test_a_family_of_record_types_is_known_by_its_beginning() -> None:
    on = thread()

    found = drift(
        on.line("artifact-created", after(1), {}),
        on.line("artifact-anything", after(1), {}),
        # Neither begins like the family.
        on.line("artifact", after(1), {}),
        on.line("my-artifact-created", after(1), {}),
    )

    assert found == {(DAY, "record", "artifact"): 1, (DAY, "record", "my-artifact-created"): 1}


def test_a_line_that_stands_there_twice_is_one_line_of_drift() -> None:
    line = thread().line("from-the-future", after(1), {})

    assert drift(line, line) == {(DAY, "record", "from-the-future"): 1}


def test_metadata_without_a_uuid_is_known_by_its_bytes() -> None:
    line = {"type": "new-metadata", "sessionId": FIRST, "number": 1}

    found = drift(line, line, {**line, "number": 2})

    assert found[(DAY, "record", "new-metadata")] == 2


def test_a_line_without_a_type_is_told() -> None:
    assert drift({"uuid": "u", "sessionId": FIRST})[(DAY, "record", "(none)")] == 1


def test_a_copied_line_drifts_once() -> None:
    on = thread()
    lines = [prompt(on, "x", at=after(0)), on.line("from-the-future", after(1), {})]
    copies = [forked(line, SECOND) for line in lines]

    found = count_files({MAIN: encode(lines), f"{SECOND}.jsonl": encode(copies)})

    assert [len(rows.drift) for rows in (found[FIRST], found[SECOND])] == [1, 0]


def test_a_file_of_random_keys_does_not_fill_the_database() -> None:
    keys = [f"key{number:05}" for number in range(1_000)]
    random.Random(1).shuffle(keys)
    on = thread()
    lines = [{**prompt(on, "x", at=after(1)), key: 1} for key in keys]

    found = drift(*lines)

    assert len(found) == MAX_NAMES + 1
    assert found[(DAY, "key", OTHERS)] == 1_000 - MAX_NAMES
    assert found == drift(*reversed(lines))


@pytest.mark.parametrize(
    "name", ["file-history-snapshot", "agent-color", "history-suppression", "queue-operation"]
)
def test_known_record_types_are_whole_names(name: str) -> None:
    assert name in RECORD_TYPES
    assert not any(one.endswith("-") for one in RECORD_TYPES)


@pytest.mark.parametrize(
    ("version", "known"),
    [
        (LATE_VERSION, True),
        ("1.0.0", True),
        (".".join(map(str, LATEST_VERSION)), True),
        ("2.1.240-beta.1", True),
        ("9.0.0", False),
        ("2.1", False),
        ("", False),
        ("latest", False),
        ("٢.١.٠", False),
        ("1" * 20 + ".0.0", False),
    ],
)
def test_versions_up_to_the_newest_one_looked_at_are_known(version: str, known: bool) -> None:
    assert is_known_version(version) is known
