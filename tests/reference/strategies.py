"""Small made-up corpora of one person, and the ways they may arrive, for property tests.

`corpora()` gives name -> bytes with forks, resumes by copy, subagents in all layouts, commands,
skills, results that come late or twice or never, lines without time, uuid or session, lines of
another session, damage.
`shuffled_uploads(corpus)` gives uploads in some order that all lead to that same corpus.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from hypothesis import strategies as st

from benchmarks import transcript_lines as lines
from benchmarks.transcript_lines import Line, Thread

Corpus = dict[str, bytes]
Upload = tuple[str, bytes]
Draw = Callable[[st.SearchStrategy[Any]], Any]

SESSIONS = tuple(
    f"{digit * 8}-{digit * 4}-4{digit * 3}-a{digit * 3}-{digit * 12}" for digit in "2468"
)
BRANCHES = tuple(
    f"{digit * 8}-{digit * 4}-4{digit * 3}-a{digit * 3}-{digit * 12}" for digit in "1379"
)
START = datetime(2026, 9, 14, 22, tzinfo=UTC)
GAPS = (0, 1, 30, 599, 600, 601, 4_000, 90_000, -5)
"""Seconds to the next line: around the longest active gap, over midnight, and backwards."""

BAD_LINES = (b"null", b"[1]", b'"text"', b'{"type":"us', b'{"a":1}{"b":2}', b"\xff\xfe", b"\x00")
MENDED = (rb"\ud83d", rb"\udc00\ud83d", rb"\u0000")
TOOLS = (
    "Bash",
    "Read",
    "Edit",
    "mcp__plugin_lantern_tides__list",
    "mcp__linear__create",
    "WebFetch",
)
SKILLS = ("lantern:chart", "quill:letter", "explain")


@dataclass
class Writing:
    """A session being made up: its main file's lines, and its subagents' by file name."""

    thread: Thread
    now: datetime
    main: list[Line] = field(default_factory=list)
    beside: dict[str, list[Line]] = field(default_factory=dict)
    late_results: list[Line] = field(default_factory=list)

    def tick(self, seconds: int) -> datetime:
        self.now += timedelta(seconds=seconds)
        return self.now


def say(writing: Writing, variant: int) -> None:
    """A prompt in one of the shapes that count or do not count as one."""
    thread, at = writing.thread, writing.tick(0)
    shapes: tuple[Callable[[], Line], ...] = (
        lambda: lines.prompt(thread, "Please look", at=at),
        lambda: lines.prompt(thread, [lines.text("Please look")], at=at, **lines.HUMAN),
        lambda: lines.prompt(thread, "A notice", at=at, origin={"kind": "task-notification"}),
        lambda: lines.meta(thread, "Caveat", at=at),
        lambda: lines.prompt(thread, "The story so far", at=at, isCompactSummary=True),
        lambda: lines.prompt(thread, "<bash-input>ls</bash-input>", at=at),
        lambda: lines.prompt(thread, "[Request interrupted by user]", at=at),
        lambda: lines.prompt(thread, "By a program", at=at, promptSource="system"),
    )
    writing.main.append(shapes[variant]())


def reply(writing: Writing, variant: int) -> None:
    """An answer of one to three lines with growing usage, final or not, or an API error."""
    thread = writing.thread
    if variant == 0:
        writing.main.append(lines.api_error(thread, "API Error", at=writing.now))
        return
    message = lines.new_id(thread.ids, "msg")
    for number in range(1 + variant % 3):
        writing.main.append(
            lines.answer(
                thread,
                lines.text("I will look"),
                at=writing.tick(number),
                message_id=message,
                numbers=lines.usage(read=100 * variant, written=variant, output=1 + 7 * number),
                stop_reason="end_turn" if variant > 4 else None,
            )
        )


def call(writing: Writing, variant: int) -> None:
    """A tool call with its result: at once, later than other lines, twice, or never."""
    thread = writing.thread
    identity = lines.new_id(thread.ids, "toolu")
    asked = lines.tool_use(identity, TOOLS[variant % len(TOOLS)])
    writing.main.append(lines.answer(thread, asked, at=writing.now, stop_reason="tool_use"))
    at = writing.tick(2)
    results: tuple[Callable[[], list[Line]], ...] = (
        lambda: [lines.result(thread, identity, "done", at=at)],
        lambda: [lines.result(thread, identity, "Exit code 1", at=at, is_error=True)],
        lambda: [lines.rejection(thread, identity, at=at)],
        lambda: [lines.interruption(thread, identity, at=at)],
        lambda: [],
        lambda: [
            lines.result(thread, identity, "Exit code 1", at=at, is_error=True),
            lines.result(thread, identity, "done", at=at + timedelta(seconds=3)),
        ],
        lambda: [lines.result(thread, identity, "half", at=at, structured={"interrupted": True})],
        lambda: [lines.result(thread, identity, "late", at=at, is_error=True)],
    )
    ended = results[variant]()
    (writing.late_results if variant == 7 else writing.main).extend(ended)


def activate(writing: Writing, variant: int) -> None:
    """A typed command, a client command, a skill called by the model, or all of one activation."""
    thread, name = writing.thread, SKILLS[variant % len(SKILLS)]
    if variant < 4:
        typed = name if variant else "clear"
        args = "march" if variant == 2 else ""
        writing.main.append(lines.command(thread, typed, at=writing.now, args=args))
    if variant in (1, 2):
        path = f"harbour/lantern/1.2.0/skills/{name.rpartition(':')[2]}"
        writing.main.append(lines.skill_body(thread, path, at=writing.now))
    if variant >= 3:
        identity = lines.new_id(thread.ids, "toolu")
        key = "command" if variant == 5 else "skill"
        asked = lines.tool_use(identity, "Skill", {key: name})
        writing.main.append(lines.answer(thread, asked, at=writing.tick(1)))
        done = {"success": True, "commandName": name}
        said = f"Launching skill: {name}"
        writing.main.append(
            lines.result(thread, identity, said, at=writing.tick(1), structured=done)
        )


def dispatch(writing: Writing, variant: int) -> None:
    """A subagent: in its folder, flat, inline, with copies in progress lines, or copies alone."""
    thread = writing.thread
    identity = lines.new_id(thread.ids, "toolu")
    tool = "Task" if variant % 2 else "Agent"
    asked = lines.tool_use(identity, tool, {"prompt": "Look", "subagent_type": "quill:scribe"})
    writing.main.append(lines.answer(thread, asked, at=writing.now))
    side = Thread(thread.session_id, agent_id=f"{thread.ids.getrandbits(40):010x}")
    inner = lines.new_id(side.ids, "toolu")
    spoken = [
        lines.prompt(side, "Look", at=writing.tick(1)),
        lines.answer(side, lines.tool_use(inner, "Grep"), at=writing.tick(1)),
        lines.result(side, inner, "Exit code 2", at=writing.tick(1), is_error=variant > 3),
    ]
    if variant >= 5:
        copies = [lines.agent_progress(thread, identity, one, at=writing.now) for one in spoken]
        writing.main.extend(copies)
    if variant in (0, 1, 5):
        writing.beside[f"{thread.session_id}/agent-{side.agent_id}.jsonl"] = spoken
    elif variant == 2:
        writing.beside[f"agent-{side.agent_id}.jsonl"] = spoken
    elif variant in (3, 4):
        writing.main.extend(spoken)
    writing.main.append(lines.result(thread, identity, "Found it", at=writing.tick(1)))


def note(writing: Writing, variant: int) -> None:
    """A line that counts nothing but a line."""
    thread, at = writing.thread, writing.now
    shapes: tuple[Callable[[], Line], ...] = (
        lambda: lines.metadata(thread, "ai-title", aiTitle="Looking"),
        lambda: {"type": "summary", "summary": "Looking", "leafUuid": "none"},
        lambda: lines.queue_operation(thread, "enqueue", "and then", at=at),
        lambda: lines.hook(thread, "PostToolUse", "Bash", "toolu_x", "lantern", at=at),
        lambda: lines.system(thread, "compact_boundary", at=at),
        lambda: lines.metadata(thread, "last-prompt", lastPrompt="Please look"),
        lambda: {"type": "file-history-snapshot", "messageId": "none", "snapshot": {}},
        lambda: thread.line("from-the-future", at, {"unheard": ["of"]}),
    )
    writing.main.append(shapes[variant]())


STEPS = (say, reply, call, activate, dispatch, note)
steps = st.lists(
    st.tuples(st.sampled_from(STEPS), st.sampled_from(GAPS), st.integers(0, 7)),
    min_size=1,
    max_size=8,
)


def write_session(session_id: str, start: datetime, planned: list[Any]) -> Writing:
    writing = Writing(Thread(session_id), start)
    for step, gap, variant in planned:
        writing.tick(gap)
        step(writing, variant)
    writing.main.extend(writing.late_results)
    return writing


@st.composite
def corpora(draw: Draw) -> Corpus:
    """One person's files, name -> bytes: up to three sessions and what was copied from them."""
    files: dict[str, list[Line]] = {}
    for number in range(draw(st.integers(1, 3))):
        start = START + timedelta(seconds=draw(st.sampled_from((0, 0, 50, 5_000))))
        writing = write_session(SESSIONS[number], start, draw(steps))
        loose = draw(st.booleans()) and number == 2
        files["notes.jsonl" if loose else f"{SESSIONS[number]}.jsonl"] = writing.main
        files.update(writing.beside)
        if draw(st.booleans()):
            branch = draw(branches(writing, BRANCHES[number]))
            files[f"{BRANCHES[number]}.jsonl"] = branch.main
            files.update(branch.beside)
    return {name: draw(encoded(written)) for name, written in files.items() if written}


@st.composite
def branches(draw: Draw, origin: Writing, session_id: str) -> Writing:
    """A session that begins with copies of another's lines and, mostly, goes on."""
    carry = lines.forked if draw(st.booleans()) else lines.resumed
    kept = origin.main[: draw(st.integers(1, len(origin.main)))]
    own = write_session(session_id, origin.now, draw(st.one_of(st.just([]), steps)))
    own.main[:0] = [carry(line, session_id) for line in kept]
    return own


DEFECTS = (
    "no time",
    "no session",
    "no uuid",
    "stray",
    "twice",
    "earlier",
    "damaged",
    "mended",
    "blank",
)


@st.composite
def encoded(draw: Draw, written: list[Line]) -> bytes:
    """The file's bytes, with up to four defects somewhere in it and perhaps no final newline."""
    raw = [msgspec.json.encode(line) for line in written]
    for defect in draw(st.lists(st.sampled_from(DEFECTS), max_size=4)):
        spoil(raw, draw(st.integers(0, len(raw) - 1)), defect, draw(st.integers(0, 6)))
    ending: bytes = draw(st.sampled_from((b"", b"\n")))
    return b"\n".join(raw) + ending


def spoil(raw: list[bytes], position: int, defect: str, variant: int) -> None:
    """One defect; the first line's session id stays, since a file without any is not counted."""
    without = {"no time": "timestamp", "no session": "sessionId", "no uuid": "uuid"}
    if defect in without:
        if defect != "no session" or position:
            raw[position] = leave_out(raw[position], without[defect])
    elif defect == "twice":
        raw.append(raw[position])
    elif defect == "earlier":
        raw.insert(0, raw.pop(position))
    elif defect == "stray":
        raw[position] = stray(raw[position], SESSIONS[variant % len(SESSIONS)])
    elif defect == "mended":
        raw[position] = raw[position].replace(b"look", MENDED[variant % len(MENDED)])
    else:
        raw.insert(position, BAD_LINES[variant] if defect == "damaged" else b" ")


def stray(raw: bytes, session_id: str) -> bytes:
    """The line as another session's: one file may hold lines of several."""
    marks = [f'"sessionId":"{one}"'.encode() for one in (*SESSIONS, *BRANCHES)]
    for mark in marks:
        raw = raw.replace(mark, f'"sessionId":"{session_id}"'.encode())
    return raw


def leave_out(raw: bytes, key: str) -> bytes:
    try:
        line: object = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return raw
    if not isinstance(line, dict):
        return raw
    return msgspec.json.encode({name: value for name, value in line.items() if name != key})


@st.composite
def shuffled_uploads(draw: Draw, corpus: Mapping[str, bytes]) -> list[Upload]:
    """Uploads of the corpus' files, whole and as beginnings, some repeated, in any order.

    A file is cut only before or after a newline. Every whole file is among them, and a shorter one
    may come after a longer one, as an old backup does; so in the end all of the corpus is there.
    """
    uploads: list[Upload] = []
    for name, content in corpus.items():
        ends = [at for at, byte in enumerate(content) if byte == ord("\n")]
        cuts = st.sampled_from([*ends, *(end + 1 for end in ends), len(content)])
        beginnings = draw(st.lists(cuts, max_size=3))
        uploads += [(name, content[:cut]) for cut in beginnings if cut]
        uploads += [(name, content)] * draw(st.integers(1, 2))
    return list(draw(st.permutations(uploads)))


@st.composite
def rewritten(draw: Draw, corpus: Mapping[str, bytes]) -> dict[str, list[bytes]]:
    """The corpus' files with further revisions that lack some lines, in any order."""
    revisions: dict[str, list[bytes]] = {}
    for name, content in corpus.items():
        whole = content.split(b"\n")
        kept = [line for line in whole if draw(st.booleans())] if draw(st.booleans()) else whole
        revisions[name] = draw(st.permutations([content, b"\n".join(kept)]))
    return revisions
