"""One activation of a skill is one invocation, in however many lines it shows."""

from typing import Any

import pytest

from benchmarks.transcript_lines import (
    Line,
    Thread,
    answer,
    command,
    meta,
    prompt,
    result,
    skill_body,
    tool_use,
)
from telemetry.events import EventRow
from telemetry.taxonomy import ItemKind
from tests.telemetry.counting import after, count, event, thread

PATH = "till-market/ledger/1.4.0/skills/reconcile"
EVIDENCE = "till-market/ledger/1.4.0/reconcile"


def skill(
    on: Thread, given: Any, *, at: float, call_id: str = "toolu_1", tool: str = "Skill", **more: Any
) -> Line:
    return answer(on, tool_use(call_id, tool, given), at=after(at), **more)


def launched(on: Thread, call_id: str, name: str, *, at: float) -> Line:
    return result(on, call_id, f"Launching skill: {name}", at=after(at))


def standing(events: list[EventRow]) -> list[str]:
    return [one.name for one in events if one.stands_for_activation]


def test_command_line_body_call_and_result_are_one_activation() -> None:
    on = thread()
    rows = count(
        command(on, "ledger:reconcile", at=after(0)),
        skill_body(on, PATH, at=after(0)),
        skill(on, {"skill": "ledger:reconcile"}, at=1),
        launched(on, "toolu_1", "ledger:reconcile", at=2),
        skill_body(on, PATH, at=after(2), sourceToolUseID="toolu_1"),
    )

    typed = next(one for one in rows.events if one.command_name)
    called = next(one for one in rows.events if one.tool_use_id)
    assert len(rows.events) == 2
    assert typed.activation_id == called.activation_id is not None
    assert (typed.stands_for_activation, called.stands_for_activation) == (False, True)
    assert typed.path_evidence == called.path_evidence == EVIDENCE
    assert (typed.outcome, called.outcome) == ("ok", "ok")
    facts = rows.facts
    assert (facts.skill_invocations, facts.slash_commands, facts.tool_calls) == (1, 1, 1)


def test_a_typed_skill_without_a_call_stands_for_itself() -> None:
    on = thread()
    rows = count(command(on, "ledger:reconcile", at=after(0)), skill_body(on, PATH, at=after(0)))

    assert event(rows).stands_for_activation
    assert event(rows).path_evidence == EVIDENCE
    assert rows.facts.skill_invocations == 1


def test_a_skill_that_the_model_calls_is_an_activation() -> None:
    on = thread()
    rows = count(
        skill(on, {"skill": "ledger:reconcile", "args": "march"}, at=0),
        skill_body(on, PATH, at=after(1), sourceToolUseID="toolu_1"),
    )

    found = event(rows)
    assert (found.skill_name, found.stands_for_activation) == ("ledger:reconcile", True)
    assert found.path_evidence == EVIDENCE


@pytest.mark.parametrize(
    ("tool", "given", "name"),
    [
        ("Skill", {"command": "ledger:reconcile"}, "ledger:reconcile"),
        ("Skill", {"skill": "/ledger:reconcile march"}, "ledger:reconcile"),
        ("SlashCommand", {"command": "/ledger:close march"}, "ledger:close"),
    ],
)
def test_old_inputs_name_their_skill_or_command(tool: str, given: Line, name: str) -> None:
    found = event(count(skill(thread(), given, at=0, tool=tool)))

    assert found.name == name
    assert found.stands_for_activation
    assert (found.skill_name, found.command_name) == (
        (name, None) if tool == "Skill" else (None, name)
    )


@pytest.mark.parametrize("given", [{}, {"skill": ""}, {"skill": 7}, {"skill": None}, [], "x", None])
def test_a_skill_call_that_names_nothing_is_a_plain_call(given: Any) -> None:
    rows = count(skill(thread(), given, at=0))

    assert not event(rows).stands_for_activation
    assert rows.facts.skill_invocations == 0
    assert rows.facts.tool_calls == 1


def test_each_command_takes_part_in_one_activation_only() -> None:
    on = thread()
    rows = count(
        command(on, "explain", at=after(0)),
        skill(on, {"skill": "explain"}, at=1),
        skill(on, {"skill": "explain"}, at=2, call_id="toolu_2"),
    )

    assert len(rows.events) == 3
    assert len(standing(rows.events)) == 2
    assert len({one.activation_id for one in rows.events}) == 2


def test_a_call_after_the_next_prompt_is_an_activation_of_its_own() -> None:
    on = thread()
    rows = count(
        command(on, "explain", at=after(0)),
        prompt(on, "And now?", at=after(1)),
        skill(on, {"skill": "explain"}, at=2),
    )

    assert len(standing(rows.events)) == 2


def test_a_call_after_another_command_is_an_activation_of_its_own() -> None:
    on = thread()
    rows = count(
        command(on, "explain", at=after(0)),
        command(on, "review", at=after(1)),
        skill(on, {"skill": "explain"}, at=2),
    )

    assert sorted(standing(rows.events)) == ["explain", "explain", "review"]


def test_a_call_of_another_skill_in_the_turn_is_an_activation_of_its_own() -> None:
    on = thread()
    rows = count(
        command(on, "explain", at=after(0)), skill(on, {"skill": "ledger:reconcile"}, at=1)
    )

    assert sorted(standing(rows.events)) == ["explain", "ledger:reconcile"]


def test_a_command_line_that_follows_its_call_belongs_to_it() -> None:
    on = thread()
    rows = count(
        skill(on, {"skill": "explain"}, at=0),
        launched(on, "toolu_1", "explain", at=1),
        command(on, "explain", at=after(1), sourceToolUseID="toolu_1"),
    )

    assert len(rows.events) == 2
    assert standing(rows.events) == ["explain"]
    assert len({one.activation_id for one in rows.events}) == 1


def test_what_a_person_typed_after_a_call_is_an_activation_of_its_own() -> None:
    on = thread()
    rows = count(
        skill(on, {"skill": "explain"}, at=0),
        launched(on, "toolu_1", "explain", at=1),
        command(on, "explain", at=after(60), promptSource="typed", origin={"kind": "human"}),
    )

    assert len(standing(rows.events)) == 2


def test_the_surrounding_skill_is_context_only() -> None:
    on = thread()
    inside: Line = {"attributionSkill": "ledger:reconcile", "attributionPlugin": "ledger"}
    rows = count(
        skill(on, {"skill": "quill:letter"}, at=0, **inside),
        answer(on, tool_use("toolu_2", "Bash"), at=after(1), **inside),
    )

    nested, plain = sorted(rows.events, key=lambda one: one.tool_use_id or "")
    assert (nested.name, nested.field_plugin) == ("quill:letter", None)
    assert (nested.context_skill, nested.context_plugin) == ("ledger:reconcile", "ledger")
    assert (plain.field_plugin, plain.context_skill) == (None, "ledger:reconcile")
    assert standing(rows.events) == ["quill:letter"]
    assert rows.facts.skill_invocations == 1


def test_the_fields_of_other_lines_tell_the_plugin_of_a_skill() -> None:
    on = thread()
    rows = count(
        skill(on, {"skill": "reconcile"}, at=0),
        answer(
            on,
            tool_use("toolu_2", "Bash"),
            at=after(1),
            attributionSkill="reconcile",
            attributionPlugin="ledger",
        ),
    )

    called = next(one for one in rows.events if one.tool_name == "Skill")
    assert called.field_plugin == "ledger"


def test_fields_that_contradict_each_other_tell_nothing() -> None:
    on = thread()
    lines = [
        answer(
            on,
            tool_use(f"t-{plugin}", "Bash"),
            at=after(1),
            attributionSkill="reconcile",
            attributionPlugin=plugin,
        )
        for plugin in ("ledger", "till")
    ]

    rows = count(skill(on, {"skill": "reconcile"}, at=0), *lines)

    assert next(one for one in rows.events if one.tool_name == "Skill").field_plugin is None


@pytest.mark.parametrize(
    "root",
    [
        "/home/mo/.claude/skills/reconcile",
        "/home/mo/orchard/.claude/skills/reconcile",
        "/opt/claude/bundled/reconcile",
        f"/home/mo/.claude/plugins/cache/{PATH}",
        # The folder need not bear the skill's name.
        f"/home/mo/.claude/plugins/cache/{PATH}-2",
    ],
)
def test_a_typed_name_that_brings_a_body_is_a_skill_wherever_it_lies(root: str) -> None:
    on = thread()
    rows = count(
        command(on, "reconcile", at=after(0)),
        meta(on, f"Base directory for this skill: {root}\n\n# Reconcile", at=after(0)),
        # Typed as well, but what follows is no skill's body.
        command(on, "close", at=after(9)),
        meta(on, "Close the month.", at=after(9)),
    )

    typed = next(one for one in rows.events if one.command_name == "reconcile")
    assert (typed.skill_name, typed.item_kind) == ("reconcile", ItemKind.SKILL)
    assert typed.stands_for_activation
    plain = next(one for one in rows.events if one.command_name == "close")
    assert (plain.skill_name, plain.item_kind) == (None, ItemKind.COMMAND)
    facts = rows.facts
    assert (facts.skill_invocations, facts.distinct_skills, facts.slash_commands) == (1, 1, 2)


def test_of_a_command_line_and_its_call_only_the_call_names_a_personal_skill() -> None:
    on = thread()
    body = "Base directory for this skill: /home/mo/.claude/skills/deploy"
    rows = count(
        command(on, "deploy", at=after(0)),
        meta(on, body, at=after(0)),
        skill(on, {"skill": "deploy"}, at=1),
    )

    typed = next(one for one in rows.events if one.command_name)
    assert (typed.skill_name, typed.stands_for_activation) == (None, False)
    assert standing(rows.events) == ["deploy"]
    assert (rows.facts.skill_invocations, rows.facts.distinct_skills) == (1, 1)


@pytest.mark.parametrize(
    ("name", "agrees"),
    [
        ("ledger:reconcile", True),
        ("reconcile", True),
        ("quill:reconcile", False),
        ("letter", False),
        ("ledgers:reconcile", False),
    ],
)
def test_a_bodys_path_holds_only_for_a_name_that_agrees(name: str, agrees: bool) -> None:
    on = thread()
    rows = count(command(on, name, at=after(0)), skill_body(on, PATH, at=after(0)))

    assert event(rows).path_evidence == (EVIDENCE if agrees else None)


@pytest.mark.parametrize(
    "body",
    [
        "Base directory for this skill: /home/mo/skills/reconcile",
        "See /home/mo/.claude/plugins/cache/till-market/ledger/1.4.0/skills/reconcile",
        "Base directory for this skill:\n/x/plugins/cache/till-market/ledger/1.4.0/skills/x",
    ],
)
def test_a_skill_outside_a_plugins_cache_has_no_path(body: str) -> None:
    on = thread()
    rows = count(command(on, "reconcile", at=after(0)), meta(on, body, at=after(0)))

    assert event(rows).path_evidence is None


@pytest.mark.parametrize(
    "base",
    [
        "/home/mo/.claude/skills/reconcile",
        "/srv/till/.claude/skills/reconcile/",
        r"C:\u\.claude\skills\reconcile",
    ],
)
def test_a_skill_of_ones_own_is_told_from_a_plugins(base: str) -> None:
    on = thread()
    body = f"Base directory for this skill: {base}\n\n# Reconcile"
    rows = count(command(on, "reconcile", at=after(0)), meta(on, body, at=after(0)))

    assert event(rows).path_evidence == "~/~//reconcile"


def test_a_windows_path_and_a_plugin_that_is_one_skill_are_evidence_too() -> None:
    on = thread()
    base = "Base directory for this skill: C:\\Users\\mo\\.claude\\plugins\\cache"
    windows = meta(on, f"{base}\\till-market\\ledger\\1.4.0\\skills\\reconcile", at=after(0))
    root = "Base directory for this skill: /m/plugins/cache/till-market/mini/2.0"

    typed = command(on, "reconcile", at=after(0))
    assert event(count(typed, {**windows, "parentUuid": typed["uuid"]})).path_evidence == EVIDENCE
    typed = command(on, "mini", at=after(0))
    assert event(count(typed, meta(on, root, at=after(0)))).path_evidence == (
        "till-market/mini/2.0/mini"
    )
