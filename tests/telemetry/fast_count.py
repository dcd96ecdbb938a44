"""What the real extraction makes of a person's files, as plainly as the slow count says it."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from telemetry.events import SessionRows, derive
from telemetry.extracts import SourceFile, extract
from telemetry.surveys import survey
from tests.reference.slow_count import Figures, SessionFigures

Files = Mapping[str, bytes] | Mapping[str, list[bytes]] | Mapping[str, bytes | list[bytes]]
Plain = dict[str, Any]


def revisions_of(content: bytes | list[bytes]) -> list[bytes]:
    """As the store keeps them: what another revision begins with is no revision."""
    contents = content if isinstance(content, list) else [content]
    distinct = list(dict.fromkeys(contents))
    return [
        one
        for one in distinct
        if not any(other != one and other.startswith(one) for other in distinct)
    ]


def taken(files: Files) -> dict[str, list[bytes]]:
    """The revisions that the store takes; others are refused with a word."""
    return {
        name: [one for one in revisions_of(content) if survey([one], name).verdict == "claude"]
        for name, content in files.items()
    }


def in_chunks(content: bytes, size: int = 1 << 20) -> list[bytes]:
    return [content[at : at + size] for at in range(0, len(content), size)]


def sessions_in(name: str, revisions: Iterable[bytes]) -> dict[str, None]:
    """The sessions of a file, in order of first sight."""
    return dict.fromkeys(one for each in revisions for one in survey([each], name).session_ids)


def derive_person(files: Files, held: frozenset[int] = frozenset()) -> list[SessionRows]:
    """The rows of each session of the person, in the order of ownership."""
    sources: dict[str, list[SourceFile]] = {}
    for name, revisions in taken(files).items():
        opened: list[Callable[[], Iterable[bytes]]] = [
            partial(in_chunks, revision, 777) for revision in revisions
        ]
        for session_id in sessions_in(name, revisions):
            sources.setdefault(session_id, []).append(SourceFile(name, opened))
    extracts = [extract(found, session_id, held) for session_id, found in sources.items()]
    return derive(extracts, held) if extracts else []


def plain(rows: Iterable[SessionRows]) -> dict[str, Plain]:
    """By session: ids and figures, in the words of `plain_slow`."""
    return {one.session_id: _plain_session(one) for one in rows}


def _plain_session(rows: SessionRows) -> Plain:
    facts = rows.facts
    calls = [event for event in rows.events if event.tool_use_id is not None]
    commands = [event for event in rows.events if event.event_type == "slash_command"]
    return {
        "responses": sorted(_unnamed(row.message_id) for row in rows.responses),
        "final": facts.responses and round((facts.usage_final_share or 0) * facts.responses),
        "calls": sorted(_unnamed(event.tool_use_id or "") for event in calls),
        "commands": sorted(
            (_unnamed(event.event_uuid), event.command_name or "") for event in commands
        ),
        "prompts": facts.prompts,
        "user_messages": facts.user_messages,
        "errors": facts.tool_errors,
        "rejections": facts.tool_rejections,
        "interruptions": facts.tool_interruptions,
        "active": round(facts.active_seconds, 3),
        "wall": round(facts.wall_seconds, 3),
        "started": facts.started_at,
        "tokens": (
            facts.input_tokens,
            facts.output_tokens,
            facts.cache_creation_tokens,
            facts.cache_read_tokens,
        ),
    }


def plain_slow(figures: Figures, session: SessionFigures) -> Plain:
    """One session of the slow count."""
    return {
        "responses": sorted(map(_unnamed, session.responses)),
        "final": len(session.responses & figures.final_responses),
        "calls": sorted(map(_unnamed, session.calls)),
        "commands": sorted((_unnamed(line), name) for line, name in session.commands),
        "prompts": len(session.prompts),
        "user_messages": session.user_messages,
        "errors": session.tool_errors,
        "rejections": session.tool_rejections,
        "interruptions": session.tool_interruptions,
        "active": round(session.active_seconds, 3),
        "wall": round(session.wall_seconds, 3),
        "started": session.started_at and round(session.started_at.timestamp() * 1000),
        "tokens": tuple(
            session.tokens[kind] for kind in ("input", "output", "cache_creation", "cache_read")
        ),
    }


def person_totals(rows: Iterable[SessionRows]) -> Plain:
    """What `slow_totals` says, from the rows."""
    every = list(rows)
    calls = [event for one in every for event in one.events if event.tool_use_id is not None]
    return {
        "lines": sum(one.facts.lines for one in every),
        "bad": sum(one.facts.bad_lines for one in every),
        "mended": sum(one.facts.mended_lines for one in every),
        "tools": Counter(event.tool_name for event in calls),
        "outcomes": Counter((_unnamed(event.tool_use_id or ""), event.outcome) for event in calls),
        "skills": Counter(
            (event.skill_name or "") for event in calls if event.tool_name == "Skill"
        ),
    }


def slow_totals(figures: Figures) -> Plain:
    return {
        "lines": figures.lines,
        "bad": figures.bad_lines,
        "mended": figures.mended_lines,
        "tools": figures.tools,
        "outcomes": Counter((_unnamed(call), how) for call, how in figures.outcomes.items()),
        "skills": figures.skills,
    }


def _unnamed(identity: str) -> str:
    """An id as both counts give it; lines without one are known by different hashes."""
    head, mark, place = identity.partition("#")
    made_up = head.startswith("raw:") or (len(head) == 64 and not head.startswith("toolu"))
    return f"unnamed{mark}{place}" if made_up else identity
