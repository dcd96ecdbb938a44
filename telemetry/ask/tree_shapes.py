"""The shapes of DuckDB's parse tree that a question may have: for each, all its keys.

A shape with another key, or a key missing, is unknown and is refused. A key is either `PLAIN` (a
scalar or names, nothing to look into), `NOTHING` (has to be empty), or names what stands there.
"""

from enum import Enum


class Kind(Enum):
    """What can stand at a place of the tree."""

    PLAIN = 0
    NOTHING = 1
    STATEMENT = 2
    QUERY = 3
    SOURCE = 4
    EXPRESSION = 5
    MODIFIER = 6
    ORDER = 7
    CASE = 8
    REPLACEMENT = 9
    PIVOT_COLUMN = 10
    PIVOT_ENTRY = 11
    TYPE = 12
    FIELD = 13
    CTES = 14


PLAIN, NOTHING, EXPRESSION = Kind.PLAIN, Kind.NOTHING, Kind.EXPRESSION
Shape = dict[str, Kind]


def _expression(**keys: Kind) -> Shape:
    fixed = dict.fromkeys(("class", "type", "alias", "query_location"), PLAIN)
    return fixed | keys


def _source(**keys: Kind) -> Shape:
    fixed = dict.fromkeys(("type", "alias", "query_location", "sample"), PLAIN)
    return fixed | keys


def _query(**keys: Kind) -> Shape:
    return {"type": PLAIN, "modifiers": Kind.MODIFIER, "cte_map": Kind.CTES} | keys


QUERIES: dict[str, Shape] = {
    "SELECT_NODE": _query(
        select_list=EXPRESSION,
        from_table=Kind.SOURCE,
        where_clause=EXPRESSION,
        group_expressions=EXPRESSION,
        group_sets=PLAIN,
        aggregate_handling=PLAIN,
        having=EXPRESSION,
        sample=PLAIN,
        qualify=EXPRESSION,
    ),
    "SET_OPERATION_NODE": _query(
        setop_type=PLAIN, setop_all=PLAIN, left=Kind.QUERY, right=Kind.QUERY
    ),
    "RECURSIVE_CTE_NODE": _query(
        cte_name=PLAIN,
        union_all=PLAIN,
        aliases=PLAIN,
        left=Kind.QUERY,
        right=Kind.QUERY,
        key_targets=EXPRESSION,
    ),
}

SOURCES: dict[str, Shape] = {
    "BASE_TABLE": _source(
        schema_name=NOTHING,
        catalog_name=NOTHING,
        table_name=PLAIN,
        column_name_alias=PLAIN,
        at_clause=NOTHING,
    ),
    "SUBQUERY": _source(column_name_alias=PLAIN, subquery=Kind.STATEMENT),
    "JOIN": _source(
        left=Kind.SOURCE,
        right=Kind.SOURCE,
        condition=EXPRESSION,
        join_type=PLAIN,
        ref_type=PLAIN,
        using_columns=PLAIN,
        delim_flipped=PLAIN,
        duplicate_eliminated_columns=NOTHING,
    ),
    "EXPRESSION_LIST": _source(expected_names=PLAIN, expected_types=Kind.TYPE, values=EXPRESSION),
    "EMPTY": _source(),
    "PIVOT": _source(
        source=Kind.SOURCE,
        aggregates=EXPRESSION,
        unpivot_names=PLAIN,
        pivots=Kind.PIVOT_COLUMN,
        groups=PLAIN,
        column_name_alias=PLAIN,
        include_nulls=PLAIN,
    ),
    "TABLE_FUNCTION": _source(function=EXPRESSION, column_name_alias=PLAIN, with_ordinality=PLAIN),
}

EXPRESSIONS: dict[str, Shape] = {
    "BETWEEN": _expression(input=EXPRESSION, lower=EXPRESSION, upper=EXPRESSION),
    "CASE": _expression(case_checks=Kind.CASE, else_expr=EXPRESSION),
    "CAST": _expression(child=EXPRESSION, cast_type=Kind.TYPE, try_cast=PLAIN),
    "COLLATE": _expression(child=EXPRESSION, collation=PLAIN),
    "COLUMN_REF": _expression(column_names=PLAIN),
    "COMPARISON": _expression(left=EXPRESSION, right=EXPRESSION),
    "CONJUNCTION": _expression(children=EXPRESSION),
    "CONSTANT": _expression(value=PLAIN),
    "FUNCTION": _expression(
        function_name=PLAIN,
        schema=PLAIN,
        catalog=NOTHING,
        children=EXPRESSION,
        distinct=PLAIN,
        export_state=NOTHING,
        filter=EXPRESSION,
        is_operator=PLAIN,
        order_bys=Kind.MODIFIER,
    ),
    "LAMBDA": _expression(lhs=EXPRESSION, expr=EXPRESSION),
    "OPERATOR": _expression(children=EXPRESSION),
    "POSITIONAL_REFERENCE": _expression(index=PLAIN),
    "STAR": _expression(
        relation_name=PLAIN,
        exclude_list=PLAIN,
        qualified_exclude_list=PLAIN,
        rename_list=PLAIN,
        replace_list=Kind.REPLACEMENT,
        columns=PLAIN,
        expr=EXPRESSION,
    ),
    "SUBQUERY": _expression(
        subquery_type=PLAIN, subquery=Kind.STATEMENT, child=EXPRESSION, comparison_type=PLAIN
    ),
    "WINDOW": _expression(
        function_name=PLAIN,
        schema=NOTHING,
        catalog=NOTHING,
        children=EXPRESSION,
        partitions=EXPRESSION,
        orders=Kind.ORDER,
        arg_orders=Kind.ORDER,
        start=PLAIN,
        end=PLAIN,
        start_expr=EXPRESSION,
        end_expr=EXPRESSION,
        offset_expr=EXPRESSION,
        default_expr=EXPRESSION,
        filter_expr=EXPRESSION,
        ignore_nulls=PLAIN,
        exclude_clause=PLAIN,
        distinct=PLAIN,
    ),
}

MODIFIERS: dict[str, Shape] = {
    "ORDER_MODIFIER": {"type": PLAIN, "orders": Kind.ORDER},
    "LIMIT_MODIFIER": {"type": PLAIN, "limit": EXPRESSION, "offset": EXPRESSION},
    "LIMIT_PERCENT_MODIFIER": {"type": PLAIN, "limit": EXPRESSION, "offset": EXPRESSION},
    "DISTINCT_MODIFIER": {"type": PLAIN, "distinct_on_targets": EXPRESSION},
}

# What has one shape only, or says its type elsewhere.
SINGLE: dict[Kind, Shape] = {
    Kind.STATEMENT: {"node": Kind.QUERY, "named_param_map": NOTHING},
    Kind.ORDER: {"type": PLAIN, "null_order": PLAIN, "expression": EXPRESSION},
    Kind.CASE: {"when_expr": EXPRESSION, "then_expr": EXPRESSION},
    Kind.REPLACEMENT: {"key": PLAIN, "value": EXPRESSION},
    Kind.PIVOT_COLUMN: {
        "pivot_expressions": EXPRESSION,
        "unpivot_names": PLAIN,
        "entries": Kind.PIVOT_ENTRY,
        "pivot_enum": NOTHING,
    },
    Kind.PIVOT_ENTRY: {"values": PLAIN, "star_expr": EXPRESSION, "alias": PLAIN},
    Kind.TYPE: {"id": PLAIN, "type_info": Kind.FIELD},
}

# Of a type, what stands in its `type_info`.
_TYPE_INFO: Shape = {"type": PLAIN, "alias": NOTHING, "extension_info": NOTHING}
TYPE_INFOS: dict[str, Shape] = {
    "DECIMAL_TYPE_INFO": _TYPE_INFO | {"width": PLAIN, "scale": PLAIN},
    "LIST_TYPE_INFO": _TYPE_INFO | {"child_type": Kind.TYPE},
    "ARRAY_TYPE_INFO": _TYPE_INFO | {"child_type": Kind.TYPE, "size": PLAIN},
    "STRUCT_TYPE_INFO": _TYPE_INFO | {"child_types": Kind.FIELD},
    "UNBOUND_TYPE_INFO": _TYPE_INFO
    | {"name": PLAIN, "schema": NOTHING, "catalog": NOTHING, "user_type_modifiers": PLAIN},
}
STRUCT_FIELD: Shape = {"first": PLAIN, "second": Kind.TYPE}
