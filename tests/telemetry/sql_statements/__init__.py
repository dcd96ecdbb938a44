"""Statements for both walls, one to a line, in files with headings: "# group"."""

from pathlib import Path

FOLDER = Path(__file__).parent
# Nothing is read by these that is not in the mirror; they ask for too much, or look odd.
ONLY_THE_GUARD = ("sizes", "strange but harmless in the engine")


def read(name: str) -> dict[str, list[str]]:
    """The statements of each group, of the file `name`."""
    groups: dict[str, list[str]] = {}
    group: list[str] = []
    for line in (FOLDER / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("# "):
            group = groups.setdefault(line.removeprefix("# "), [])
        elif line:
            group.append(line)
    return groups


HOSTILE = read("hostile")
# Those that want something outside the mirror's tables, or to change something.
HOSTILE_READS_AND_WRITES = {
    group: statements for group, statements in HOSTILE.items() if group not in ONLY_THE_GUARD
}
LEGITIMATE = read("legitimate")
