"""Made-up transcript trees, calibrated to real ones: `python -m benchmarks.generate OUT`.

Writes `<out>/<user>/<project slug>/…` with everything that real folders hold: several eras of the
format, subagents in all three layouts, skills, commands, MCP, hooks, pictures, forks, resumes by
copy, archived beginnings of growing files, damaged lines. The same arguments give the same bytes.
`manage.py usage_import --users-from-folders OUT` takes such a tree.
"""

import argparse
import random
import re
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import msgspec

from benchmarks import calibration as measured
from benchmarks import transcript_lines as lines
from benchmarks.conversation import Conversation
from benchmarks.eras import Era, pick_era
from benchmarks.prose import Prose
from benchmarks.telling import Session
from benchmarks.transcript_lines import Line

PEOPLE = ("mo", "ines", "tarek", "sunniva", "ravi", "oluchi", "bente", "joaquin", "mei", "tomasz")
PROJECTS = ("orchard", "tide-tables", "ferry.app", "lamp_shop", "notes")
DAYS = 60
OLD_DAYS_BEFORE = 250
"""How long before the late sessions the old ones took place."""

WITHOUT_FINAL_NEWLINE = 0.36
UNTIL = date(2026, 11, 1)


@dataclass
class Totals:
    """What was written. `damaged` and `mended` count lines, the others sessions, files or bytes."""

    bytes: int = 0
    files: int = 0
    sessions: int = 0
    forks: int = 0
    resumes: int = 0
    backups: int = 0
    damaged: int = 0
    mended: int = 0


class Tree:
    """One made-up tree being written."""

    def __init__(self, out: Path, *, seed: int, people: int, shape: str, until: date) -> None:
        self.out = out
        self.seed = seed
        self.shape = shape
        self.until = until
        self.prose = Prose(seed)
        self.people = [person(number) for number in range(people)]
        self.totals = Totals()

    def write_session(self, number: int) -> None:
        """One person's next session, and now and then its fork, its resumed copy, its backup."""
        rng = random.Random(f"session {self.seed} {number}")
        user = self.people[number % len(self.people)]
        project = rng.choice(PROJECTS)
        cwd = f"/home/{user}/{project}"
        era = pick_era(rng, self.shape)
        start = self.start(rng, user, era)
        talk = Conversation(rng, self.prose, era, start, cwd)
        session = talk.write()
        folder = self.out / user / re.sub(r"[^A-Za-z0-9]", "-", cwd)
        written = self.write_files(rng, folder, session)
        self.totals.sessions += 1
        if rng.random() < measured.BACKED_UP:
            self.back_up(rng, folder, session.session_id, written)
        chance = rng.random()
        if era.late and chance < measured.FORKED * 2:
            self.branch_off(rng, folder, session, talk.now, cwd, by_copy=False)
        elif not era.late and chance < measured.RESUMED_BY_COPY * 2:
            self.branch_off(rng, folder, session, talk.now, cwd, by_copy=True)

    def start(self, rng: random.Random, user: str, era: Era) -> datetime:
        """In the person's working hours, on one of the era's days."""
        offset = random.Random(user).choice((-5, 0, 1, 1, 2, 8))
        back = rng.randrange(1, DAYS) + (0 if era.late else OLD_DAYS_BEFORE)
        hour = rng.choices(range(24), measured.HOURS)[0]
        midnight = datetime.combine(self.until, datetime.min.time(), UTC) - timedelta(days=back)
        return midnight + timedelta(hours=hour - offset, seconds=rng.randrange(3_600))

    def write_files(self, rng: random.Random, folder: Path, session: Session) -> list[bytes]:
        """The main file and the subagents' files; returns the main file's lines."""
        main = [msgspec.json.encode(line) for line in session.main]
        if rng.random() < measured.MENDED:
            self.mend(rng, main)
        if rng.random() < measured.DAMAGED:
            self.damage(rng, session.session_id, main)
        self.write_file(rng, folder / f"{session.session_id}.jsonl", main)
        for subagent in session.subagents:
            beside = folder
            if session.era.agent_layout == "folder":
                beside = folder / session.session_id / "subagents"
            path = beside / f"agent-{subagent.agent_id}.jsonl"
            self.write_file(rng, path, [msgspec.json.encode(line) for line in subagent.written])
            if session.era.late:
                path.with_suffix(".meta.json").write_bytes(
                    msgspec.json.encode(subagent.description)
                )
        return main

    def write_file(self, rng: random.Random, path: Path, written: list[bytes]) -> None:
        content = b"\n".join(written)
        if rng.random() >= WITHOUT_FINAL_NEWLINE:
            content += b"\n"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        self.totals.files += 1
        self.totals.bytes += len(content)

    def back_up(
        self, rng: random.Random, folder: Path, session_id: str, written: list[bytes]
    ) -> None:
        """An archived beginning of the main file, under the same name in another folder."""
        kept = written[: rng.randrange(1, len(written) + 1)]
        self.write_file(
            rng, folder.with_name(f"{folder.name}-archive") / f"{session_id}.jsonl", kept
        )
        self.totals.backups += 1

    def branch_off(
        self,
        rng: random.Random,
        folder: Path,
        session: Session,
        after: datetime,
        cwd: str,
        *,
        by_copy: bool,
    ) -> None:
        """A later session that begins with copies of this one's lines."""
        later = after + timedelta(seconds=rng.randrange(60, 20_000))
        branch = Conversation(rng, self.prose, session.era, later, cwd)
        carry = lines.resumed if by_copy else lines.forked
        history = session.main[: rng.randrange(1, len(session.main) + 1)]
        copied: list[Line] = [carry(line, branch.session.session_id) for line in history]
        written = branch.write()
        written.main[:0] = copied
        self.write_files(rng, folder, written)
        self.totals.sessions += 1
        if by_copy:
            self.totals.resumes += 1
        else:
            self.totals.forks += 1

    def mend(self, rng: random.Random, written: list[bytes]) -> None:
        """A lone surrogate or a NUL, escaped, in the text of one line."""
        escaped = rng.choice((rb"\ud83d", rb"\u0000"))
        for position, line in enumerate(written):
            if b'"content":"' in line:
                written[position] = line.replace(b'"content":"', b'"content":"' + escaped, 1)
                self.totals.mended += 1
                return

    def damage(self, rng: random.Random, session_id: str, written: list[bytes]) -> None:
        """One more line, which no reader can count."""
        cut = b'{"type":"user","sessionId":"' + session_id.encode() + b'","message":{"role":"us'
        glued = b'{"type":"mode","mode":"normal"}{"type":"mode","mode":"plan"}'
        bad = rng.choice((b"null", b'"half a thought"', b"\xff\xfe\xfa", cut, glued))
        written.insert(rng.randrange(1, len(written) + 1), bad)
        self.totals.damaged += 1


def person(number: int) -> str:
    name = PEOPLE[number % len(PEOPLE)]
    return name if number < len(PEOPLE) else f"{name}-{number // len(PEOPLE) + 1}"


def generate(
    out: Path,
    *,
    megabytes: float,
    seed: int = 1,
    people: int = 5,
    shape: str = "mixed",
    until: date = UNTIL,
) -> Totals:
    """Writes whole sessions below `out` until they weigh `megabytes` (of 1,000,000 bytes)."""
    tree = Tree(out, seed=seed, people=people, shape=shape, until=until)
    number = 0
    while tree.totals.bytes < megabytes * 1_000_000:
        tree.write_session(number)
        number += 1
    return tree.totals


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--megabytes", type=float, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--people", type=int, default=5)
    parser.add_argument("--shape", choices=("mixed", "late2026", "old"), default="mixed")
    parser.add_argument("--until", type=date.fromisoformat, default=UNTIL, metavar="DAY")
    asked = parser.parse_args()
    totals = generate(
        asked.out,
        megabytes=asked.megabytes,
        seed=asked.seed,
        people=asked.people,
        shape=asked.shape,
        until=asked.until,
    )
    print(", ".join(f"{name} {count:,}" for name, count in asdict(totals).items()))


if __name__ == "__main__":
    main()
