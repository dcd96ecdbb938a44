"""Names of any length and script, and times at the ends of time, are stored on either database."""

import json
from typing import Any

import pytest

from accounts.models import User
from telemetry.models import UsageEvent, UsageResponse, UsageSessionSummary
from tests.telemetry.counting import FIRST as SID
from tests.telemetry.counting import MAIN as NAME
from tests.telemetry.database_dump import process, upload

NAMES = {
    "long": "n" * 5_000,
    "wide": "\U0001f980" * 700,
    "mixed": "é\u0301\u202e" * 400,
    "broken": "\ud83d" * 400,
    "empty after cutting": "\x00" * 900,
    "slashes": "/" * 700,
    "colons": "a:" * 700,
}


@pytest.mark.django_db
@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
def test_names_of_any_length_and_script_are_stored(name: str) -> None:
    calls = [
        {"type": "tool_use", "id": f"{name}{number}", "name": tool, "input": given}
        for number, (tool, given) in enumerate(
            [
                (name, {}),
                ("Skill", {"skill": name}),
                ("Agent", {"subagent_type": name}),
                ("SlashCommand", {"command": f"/{name} now"}),
                (f"mcp__{name}__{name}", {}),
                (f"mcp__{name}", {}),
            ]
        )
    ]
    common = {
        "sessionId": SID,
        "version": name,
        "cwd": f"/{name}",
        "gitBranch": name,
        "agentId": name,
        "attributionSkill": name,
        "attributionPlugin": name,
        "forkedFrom": {"sessionId": name},
        "parentUuid": name,
        "timestamp": "2026-09-14T07:12:03.114Z",
        name: name,
    }
    command = f"<command-name>/{name}</command-name>"
    body = f"Base directory for this skill: /x/plugins/cache/{name}/{name}/{name}/skills/{name}"
    hook = {"type": "hook_success", "hookEvent": name, "hookName": name, "command": name}
    message = {"id": f"msg{name}", "model": name, "content": calls, "usage": {"input_tokens": 1}}
    lines: list[dict[str, Any]] = [
        {"type": "assistant", "uuid": f"a{name}", "message": message},
        {"type": "user", "uuid": f"b{name}", "message": {"content": command}},
        {"type": "user", "uuid": "c", "isMeta": True, "message": {"content": body}},
        {"type": "attachment", "uuid": "d", "attachment": hook},
        {"type": name, "uuid": "e", "message": {"content": [{"type": name}]}},
        {"type": "custom-title", "customTitle": name},
        {"type": "system", "subtype": name, "uuid": "f"},
    ]
    ada = User.objects.create_user("ada@example.org")

    assert upload(ada, NAME, b"\n".join(json.dumps({**common, **one}).encode() for one in lines))
    process()

    assert UsageEvent.objects.filter(user=ada).count() >= len(calls)
    assert UsageResponse.objects.filter(user=ada).count() == 1
    assert UsageSessionSummary.objects.get(user=ada).bad_lines == 0


@pytest.mark.django_db
@pytest.mark.parametrize(
    "moment",
    [
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59.999Z",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59.9999Z",
        "1969-12-31T23:59:59.999Z",
        "2026-02-30T00:00:00Z",
        "2016-12-31T23:59:60Z",
        "20260914",
        "yesterday",
    ],
)
def test_times_at_the_ends_of_time_are_stored(moment: str) -> None:
    call = {"type": "tool_use", "id": "toolu_1", "name": "Bash"}
    message = {"id": "msg_1", "content": [call], "usage": {"input_tokens": 1}}
    line = {"type": "assistant", "uuid": "u", "sessionId": SID, "timestamp": moment}
    ada = User.objects.create_user("ada@example.org")

    upload(ada, NAME, json.dumps({**line, "message": message}).encode())
    process()

    assert UsageEvent.objects.get(user=ada).tool_name == "Bash"
    assert UsageResponse.objects.get(user=ada).input_tokens == 1
