"""Reports as a table: aligned for a terminal, in Markdown for the documentation."""

from benchmarks.measures import Measure, Report

BEGIN = "<!-- measures: written by `make bench` -->"
END = "<!-- end of measures -->"
HEADER = ("measure", "reached", "wanted", "floor in the same run", "memory", "")


def as_text(reports: list[Report]) -> str:
    """Aligned columns; the last tells what is missed."""
    rows = [HEADER, *rows_of(reports)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
    lines = []
    for row in rows:
        cells = [f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join([*lines, *notes_of(reports)])


def as_markdown(reports: list[Report]) -> str:
    ruled = [HEADER, ("---", "--:", "--:", "---", "--:", "---"), *rows_of(reports)]
    lines = [f"| {' | '.join(row)} |" for row in ruled]
    machines = sorted({report.machine for report in reports})
    notes = [*notes_of(reports), f"Machine: {'; '.join(machines)}."]
    return "\n".join([*lines, "", *(f"- {note}" for note in notes)])


def notes_of(reports: list[Report]) -> list[str]:
    return [
        f"{report.name}: {measure.note}"
        for report in reports
        for measure in report.measures
        if measure.note
    ]


def put_into(document: str, reports: list[Report]) -> str:
    """The document with the table between its two marks; raises ValueError without them."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the document needs the lines {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{as_markdown(reports)}\n{END}{after}"


def rows_of(reports: list[Report]) -> list[tuple[str, ...]]:
    return [row_of(report, measure) for report in reports for measure in report.measures]


def row_of(report: Report, measure: Measure) -> tuple[str, ...]:
    sign = {"more": "≥", "less": "≤", "": ""}[measure.better]
    wanted = "" if measure.reach is None else f"{sign} {number(measure.reach)} {measure.unit}"
    floors = ", ".join(f"{name} {number(value)}" for name, value in measure.floors.items())
    memory = f"{report.peak_mb:.0f} / {report.tree_peak_mb:.0f} MB"
    value = f"{number(measure.value)} {measure.unit}"
    missed = "missed" if measure.verdict == "no" else ""
    return (f"{report.name}: {measure.name}", value, wanted, floors, memory, missed)


def number(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
