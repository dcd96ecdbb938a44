"""Every element of a parse tree, held against the shapes and lists; tables by their scope."""

import re
from collections.abc import Callable
from typing import Any

from telemetry.ask import allow_list, tree_shapes
from telemetry.ask.refusal import Reason, SqlRefused
from telemetry.ask.result_sizes import check_size
from telemetry.ask.tree_shapes import Kind, Shape

Node = dict[str, Any]
Scope = frozenset[str]

_CTE_NAME = re.compile(r"[\w ]{1,100}", re.ASCII)
_COLLATION = re.compile(r"[A-Za-z_]{1,40}(\.[A-Za-z_]{1,40})*")
_SHAPE_FIX = "Ask in plain SELECTs: joins, filters, groups, windows, pivots with an IN list."
# What of a SELECT can end a recursion.
_ENDINGS = ("where_clause", "having", "qualify")


class TreeWalk:
    """One pass over one statement. `tables`: the mirror's tables it reads. Raises SqlRefused."""

    def __init__(self, allowed: frozenset[str]) -> None:
        self.allowed = allowed
        self.tables: set[str] = set()
        self.functions: set[str] = set()
        self._joins = 0
        self._names_of_server: set[str] = set()
        self._aliases: set[str] = set()
        self._open: list[tuple[Kind, Any, Scope]] = []
        self._visit: dict[Kind, Callable[[Node, Scope], None]] = {
            Kind.QUERY: self._query,
            Kind.SOURCE: self._source,
            Kind.EXPRESSION: self._expression,
            Kind.MODIFIER: self._modifier,
            Kind.TYPE: self._type,
            Kind.FIELD: self._type_info,
        }

    def run(self, statement: Node) -> None:
        """Iterative: a hostile tree may be deeper than Python's stack."""
        self._push(Kind.STATEMENT, statement, frozenset())
        count = 0
        while self._open:
            kind, node, scope = self._open.pop()
            count += 1
            if count > allow_list.MAX_NODES:
                raise SqlRefused(
                    Reason.LENGTH, "The statement has too many parts.", fix="Ask for less at once."
                )
            visit = self._visit.get(kind)
            if visit is not None:
                visit(node, scope)
            else:
                self._children(tree_shapes.SINGLE.get(kind), str(kind), node, scope)
        hidden = sorted(self._names_of_server - self._aliases)
        if hidden:
            raise _refused_function(hidden[0])

    def _push(self, kind: Kind, value: Any, scope: Scope) -> None:
        if isinstance(value, dict):
            self._open.append((kind, value, scope))
        elif isinstance(value, list):
            # VALUES has rows, lists of lists.
            for element in value:
                self._push(kind, element, scope)
        elif value is not None:
            raise _unknown_shape(str(kind))

    def _children(self, shape: Shape | None, name: str, node: Node, scope: Scope) -> None:
        if shape is None or node.keys() != shape.keys():
            raise _unknown_shape(name)
        for key, kind in shape.items():
            if kind is Kind.PLAIN:
                continue
            value = node[key]
            if kind is Kind.NOTHING:
                if value:
                    raise _unknown_shape(f"{name} with {key}")
            elif kind is not Kind.CTES:
                self._push(kind, value, scope)

    # --- queries --------------------------------------------------------------------------------

    def _query(self, node: Node, scope: Scope) -> None:
        kind = str(node.get("type"))
        inner = self._with_ctes(node.get("cte_map"), scope)
        if kind != "RECURSIVE_CTE_NODE":
            self._children(tree_shapes.QUERIES.get(kind), kind, node, inner)
            return
        # The name means the recursion only in the second half. In the first it means a table.
        name = _ascii_lower(str(node["cte_name"]))
        left, right = node["left"], node["right"]
        self._children(tree_shapes.QUERIES[kind], kind, node | {"left": None, "right": None}, inner)
        self._push(Kind.QUERY, left, inner - {name})
        self._push(Kind.QUERY, right, inner | {name})
        if not _can_end(right):
            raise SqlRefused(
                Reason.SIZE,
                f"The recursion {name} was refused: nothing in it can end it.",
                fix="Give its second half a WHERE, or use generate_series.",
                names=(name,),
            )

    def _with_ctes(self, ctes: Any, scope: Scope) -> Scope:
        """The scope with the names of these CTEs; each sees those before it and not itself."""
        if not isinstance(ctes, dict) or ctes.keys() != {"map"}:
            raise _unknown_shape("WITH")
        for entry in ctes["map"]:
            value = entry["value"]
            if value.keys() - {"aliases", "materialized", "query", "key_targets"}:
                raise _unknown_shape("WITH")
            name = str(entry["key"])
            if not _CTE_NAME.fullmatch(name):
                raise SqlRefused(
                    Reason.TABLE,
                    "A name in WITH was refused: it has other signs than letters and digits.",
                    fix="Name it with ASCII letters, digits and underscores.",
                )
            name = _ascii_lower(name)
            self._aliases.update(_ascii_lower(alias) for alias in value["aliases"])
            self._push(Kind.STATEMENT, value["query"], scope - {name})
            self._push(Kind.EXPRESSION, value["key_targets"], scope)
            scope |= {name}
        return scope

    def _modifier(self, node: Node, scope: Scope) -> None:
        kind = str(node.get("type"))
        self._children(tree_shapes.MODIFIERS.get(kind), kind, node, scope)

    # --- FROM -----------------------------------------------------------------------------------

    def _source(self, node: Node, scope: Scope) -> None:
        kind = str(node.get("type"))
        if kind == "BASE_TABLE":
            self._table(node, scope)
        elif kind == "TABLE_FUNCTION":
            name = _ascii_lower(str(node["function"].get("function_name")))
            if name not in allow_list.TABLE_FUNCTIONS:
                raise SqlRefused(
                    Reason.FUNCTION,
                    f"The table function {name}() was refused: it is not among those allowed.",
                    fix="Read the tables of the mirror; range, generate_series, unnest make rows.",
                    names=(name,),
                )
        elif kind == "JOIN":
            self._joins += 1
            if self._joins > allow_list.MAX_JOINS:
                raise SqlRefused(
                    Reason.SIZE, "The statement joins too many tables.", fix="Join fewer at once."
                )
        self._children(tree_shapes.SOURCES.get(kind), kind, node, scope)
        self._aliases.update(map(_ascii_lower, node.get("column_name_alias") or ()))

    def _table(self, node: Node, scope: Scope) -> None:
        parts = [str(node[key]) for key in ("catalog_name", "schema_name", "table_name")]
        name = _ascii_lower(parts[2])
        if parts[0] or parts[1] or not (name in scope or name in self.allowed):
            shown = ".".join(part for part in parts if part)
            raise SqlRefused(
                Reason.TABLE,
                f"The table {shown[:100]} was refused: it is not a table of the mirror.",
                fix="Use the tables of the mirror by their plain names.",
                names=(shown,),
            )
        if name not in scope:
            self.tables.add(name)

    # --- expressions ----------------------------------------------------------------------------

    def _expression(self, node: Node, scope: Scope) -> None:
        kind = str(node.get("class"))
        self._children(tree_shapes.EXPRESSIONS.get(kind), kind, node, scope)
        if kind == "COLUMN_REF":
            names = node["column_names"]
            if len(names) == 1 and _ascii_lower(names[0]) in allow_list.SERVER_NAMES:
                self._names_of_server.add(_ascii_lower(names[0]))
                return
        elif kind in ("FUNCTION", "WINDOW"):
            self._function(node)
        elif kind == "OPERATOR":
            if node["type"] not in allow_list.OPERATORS:
                raise _unknown_shape(str(node["type"]))
        elif kind == "COLLATE" and not _COLLATION.fullmatch(str(node["collation"])):
            raise _unknown_shape("COLLATE")
        if node["alias"]:
            self._aliases.add(_ascii_lower(node["alias"]))

    def _function(self, node: Node) -> None:
        name = _ascii_lower(str(node["function_name"]))
        if name not in allow_list.FUNCTIONS:
            raise _refused_function(name)
        self.functions.add(name)
        check_size(node)

    # --- types ----------------------------------------------------------------------------------

    def _type(self, node: Node, scope: Scope) -> None:
        self._children(tree_shapes.SINGLE[Kind.TYPE], "TYPE", node, scope)
        if node["id"] not in allow_list.TYPES:
            raise _refused_type(str(node["id"]))

    def _type_info(self, node: Node, scope: Scope) -> None:
        if node.keys() == tree_shapes.STRUCT_FIELD.keys():
            self._push(Kind.TYPE, node["second"], scope)
            return
        kind = str(node.get("type"))
        self._children(tree_shapes.TYPE_INFOS.get(kind), kind, node, scope)
        if kind == "ARRAY_TYPE_INFO" and node["size"] > allow_list.MAX_ARRAY:
            raise _refused_type(f"ARRAY of {node['size']}")
        if kind == "UNBOUND_TYPE_INFO" and str(node["name"]).lower() not in allow_list.NAMED_TYPES:
            raise _refused_type(str(node["name"]))


def _can_end(query: Node) -> bool:
    """Whether any SELECT of a recursion's second half has a condition."""
    open_queries = [query]
    while open_queries:
        node = open_queries.pop()
        if any(node.get(key) is not None for key in _ENDINGS):
            return True
        source = node.get("from_table") or {}
        if source.get("condition") is not None or source.get("using_columns"):
            return True
        open_queries.extend(node[key] for key in ("left", "right") if key in node)
    return False


def _ascii_lower(name: str) -> str:
    # As DuckDB compares names; Python's lower() would also make the Kelvin sign a k.
    return name.translate(_LOWER)


_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


def _unknown_shape(name: str) -> SqlRefused:
    shown = name.removeprefix("Kind.")
    return SqlRefused(
        Reason.SHAPE, f"{shown[:60]} was refused: no question needs it.", fix=_SHAPE_FIX
    )


def _refused_function(name: str) -> SqlRefused:
    return SqlRefused(
        Reason.FUNCTION,
        f"The function {name[:60]} was refused: it is not among those allowed.",
        fix="Use DuckDB's functions for texts, numbers, times, lists and aggregates.",
        names=(name,),
    )


def _refused_type(name: str) -> SqlRefused:
    return SqlRefused(
        Reason.TYPE,
        f"The type {name[:60]} was refused: it is not among those allowed.",
        fix="Use DuckDB's plain types, lists and structs.",
        names=(name,),
    )
