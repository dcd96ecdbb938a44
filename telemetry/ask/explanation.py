"""What a statement does, in short sentences, for people who read no SQL.

Read by sqlglot, so it is a help and no promise; what decides is the guard.
"""

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from telemetry.ask.guard import Checked
from telemetry.ask.second_opinion import DIALECT

# Conditions and expressions beyond that are better read in the statement.
MOST_SHOWN = 6
MOST_CHARACTERS = 120


def explain(checked: Checked) -> list[str]:
    """Sentences: tables, conditions, groups, order, most rows. Only the tables where unreadable."""
    sentences = [f"Reads {_joined(checked.tables)}." if checked.tables else "Reads no table."]
    try:
        statement = sqlglot.parse_one(checked.sql, dialect=DIALECT)
    except (SqlglotError, RecursionError):
        return sentences
    conditions = [part for where in statement.find_all(exp.Where) for part in _parts(where.this)]
    groups = [one for group in statement.find_all(exp.Group) for one in group.expressions]
    order, limit = statement.args.get("order"), statement.args.get("limit")
    sentences += _sentence("Keeps rows where", conditions)
    sentences += _sentence("Groups by", groups)
    if isinstance(order, exp.Order):
        sentences += _sentence("Sorts by", order.expressions)
    if isinstance(limit, exp.Limit) and isinstance(limit.expression, exp.Literal):
        sentences.append(f"Shows at most {limit.expression.name} rows.")
    return sentences


def _parts(condition: exp.Expr) -> list[exp.Expr]:
    """The conditions that an AND joins."""
    return list(condition.flatten()) if isinstance(condition, exp.And) else [condition]


def _sentence(beginning: str, expressions: list[exp.Expr]) -> list[str]:
    texts = list(dict.fromkeys(one.sql(dialect=DIALECT, comments=False) for one in expressions))
    if not texts:
        return []
    shown = [
        text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - 1] + "…"
        for text in texts[:MOST_SHOWN]
    ]
    rest = len(texts) - len(shown)
    return [f"{beginning} {_joined(tuple(shown))}{f' and {rest} more' if rest else ''}."]


def _joined(names: tuple[str, ...]) -> str:
    return ", ".join(names)
