"""Statements for both walls, one to a line, in files with headings: "# group"."""

from pathlib import Path

FOLDER = Path(__file__).parent
# Nothing is read by these that is not in the mirror; they ask for too much, or look odd.
ONLY_THE_GUARD = ("sizes", "strange but harmless in the engine")


def read(name: str) -> list[tuple[str, str]]:
    """Pairs of group and statement."""
    group, found = "", []
    for line in (FOLDER / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("# "):
            group = line.removeprefix("# ")
        elif line:
            found.append((group, line))
    return found


def hostile() -> list[str]:
    return [sql for _, sql in read("hostile")]


def hostile_reads_and_writes() -> list[str]:
    """Those that want something outside the mirror's tables, or to change something."""
    return [sql for group, sql in read("hostile") if group not in ONLY_THE_GUARD]


def legitimate() -> list[str]:
    return [sql for _, sql in read("legitimate")]
