"""Nothing that a request says is ignored: unknown, repeated and empty parameters are refused.

A misspelt filter would otherwise answer for everybody, and a misspelt `dry_run` would act.
"""

import difflib
import json
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, ClassVar, get_args

from django.http import HttpRequest
from ninja import NinjaAPI, Schema
from ninja.operation import Operation

from accounts.errors import AgnesError

Handler = Callable[..., Any]


class UnknownInput(AgnesError):
    code: ClassVar[str] = "unknown_input"
    status: ClassVar[int] = 422


class UnusableInput(AgnesError):
    code: ClassVar[str] = "unusable_input"
    status: ClassVar[int] = 422


def make_strict(api: NinjaAPI) -> None:
    """For all routes of the API; to be called before routers are added."""
    # Around the whole operation, which is known there, and around its function, so that whoever
    # is not signed in is told that and nothing else.
    api.add_decorator(_with_operation, mode="view")
    api.add_decorator(_checked, mode="operation")


def _with_operation(run: Handler) -> Handler:
    operation = run.__self__  # type: ignore[attr-defined]

    @wraps(run)
    def running(request: HttpRequest, **values: Any) -> Any:
        request.api_operation = operation  # type: ignore[attr-defined]
        return run(request, **values)

    return running


def _checked(handler: Handler) -> Handler:
    @wraps(handler)
    def handling(request: HttpRequest, **values: Any) -> Any:
        operation: Operation = request.api_operation  # type: ignore[attr-defined]
        _check_query(request, operation)
        _check_body(request, operation)
        return handler(request, **values)

    return handling


def _check_query(request: HttpRequest, operation: Operation) -> None:
    known: set[str] = set()
    repeatable: set[str] = set()
    for model in _models(operation, "query"):
        known.update(model.__ninja_flatten_map__)
        repeatable.update(getattr(model, "__ninja_collection_fields__", ()))
    _refuse_unknown("parameter", request.GET, known)
    for name, given in request.GET.lists():
        if len(given) > 1 and name not in repeatable:
            raise UnusableInput(f"{name} is given {len(given)} times.", fix="Give it once.")
        if "" in given:
            raise UnusableInput(
                f"{name} is empty.", fix=f"Give {name} a value, or leave it out of the address."
            )


def _check_body(request: HttpRequest, operation: Operation) -> None:
    models = _models(operation, "body")
    if not models:
        _refuse_misplaced(request, operation)
        return
    if not request.body.strip():
        return
    # It was read as JSON before.
    body = json.loads(request.body)
    if not isinstance(body, dict):
        raise UnusableInput(
            "The body is not a JSON object.",
            fix='Send an object such as {"name": value}, or no body at all.',
        )
    schema = _schema(models[0])
    if schema is not None and schema.model_config.get("extra") != "allow":
        names = {field.alias or name for name, field in schema.model_fields.items()}
        _refuse_unknown("key", body, names | set(schema.model_fields))


def _refuse_misplaced(request: HttpRequest, operation: Operation) -> None:
    """A JSON body that holds what belongs into the address, where none is taken."""
    reads_itself = "requestBody" in (operation.openapi_extra or {})
    if reads_itself or request.content_type != "application/json" or not request.body.strip():
        return
    try:
        body = json.loads(request.body)
    except ValueError:
        return
    known = {name for model in _models(operation, "query") for name in model.__ninja_flatten_map__}
    misplaced = sorted(known & set(body)) if isinstance(body, dict) else []
    if misplaced:
        raise UnusableInput(
            f"{misplaced[0]} stands in the body, and this address takes none.",
            fix=f"Give it in the address: ?{misplaced[0]}=...",
        )


def _refuse_unknown(what: str, given: Iterable[str], known: set[str]) -> None:
    unknown = sorted(set(given) - known)
    if not unknown:
        return
    name = unknown[0]
    close = difflib.get_close_matches(name, known, n=1) or [one for one in known if name in one]
    known_ones = f"Known are: {', '.join(sorted(known))}." if known else "There is none to give."
    fix = f"Did you mean {close[0]}? {known_ones}" if close else known_ones
    raise UnknownInput(
        f"There is no {what} {name[:100]!r} here.",
        fix=fix,
        details={"unknown": [one[:100] for one in unknown[:20]], "known": sorted(known)},
    )


def _models(operation: Operation, source: str) -> list[Any]:
    return [one for one in operation.models if one.__ninja_param_source__ == source]


def _schema(model: Any) -> type[Schema] | None:
    """The schema of a body that is one object; None where it is anything else."""
    fields = list(model.model_fields.values())
    if len(fields) != 1:
        return None
    kinds = (fields[0].annotation, *get_args(fields[0].annotation))
    found = (kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Schema))
    return next(found, None)
