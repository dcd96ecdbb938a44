"""sqlglot's reading of a statement: its kind and tables, by a parser with nothing of DuckDB's.

It refuses what DuckDB's tree let pass when the two disagree. What it cannot parse is no opinion.
It also writes a statement out for people to read; that text is never run, since it may mean
something else.
"""

import logging

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from telemetry.ask.refusal import Reason, SqlRefused

DIALECT = "duckdb"
_QUERIES = (exp.Query, exp.Values, exp.Table, exp.Pivot)
_OTHER_STATEMENTS = (
    exp.DDL,
    exp.DML,
    exp.Command,
    exp.Into,
    exp.Pragma,
    exp.Set,
    exp.Use,
    exp.Copy,
    exp.Attach,
    exp.Detach,
    exp.Describe,
    exp.Summarize,
    exp.Show,
    exp.Drop,
    exp.Alter,
)
# It warns of what it does not know, which is no news here.
logging.getLogger("sqlglot").setLevel(logging.ERROR)


def check_opinion(sql: str, tables: frozenset[str]) -> None:
    """Raise SqlRefused where sqlglot reads another kind of statement or other tables."""
    try:
        statements = sqlglot.parse(sql, dialect=DIALECT)
    except (SqlglotError, RecursionError):
        return
    read = [statement for statement in statements if statement is not None]
    if len(read) != 1 or not isinstance(read[0], _QUERIES):
        raise _disagreement("the kind of statement")
    seen, named = set(), set()
    for node in read[0].walk():
        if isinstance(node, _OTHER_STATEMENTS) and not isinstance(node, exp.Query):
            raise _disagreement("the kind of statement")
        if isinstance(node, exp.CTE):
            named.add(node.alias.lower())
        elif isinstance(node, exp.Table) and isinstance(node.this, exp.Identifier):
            if node.db or node.catalog:
                raise _disagreement("the tables")
            seen.add(node.name.lower())
    if not seen - named <= tables or not tables <= seen:
        raise _disagreement("the tables")


def written_out(sql: str) -> str:
    """The statement laid out for people, or as it stands where sqlglot cannot read it."""
    try:
        return sqlglot.transpile(sql, read=DIALECT, write=DIALECT, pretty=True)[0]
    except (SqlglotError, RecursionError, IndexError):
        return sql


def _disagreement(about: str) -> SqlRefused:
    return SqlRefused(
        Reason.DISAGREEMENT,
        f"The statement was refused: two parsers do not agree on {about}.",
        fix="Write it more plainly.",
    )
