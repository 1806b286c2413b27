"""Dataclasses as JSON and back, an answer above all: only here is the contract `detaudit.result/1` known.

Keys may be added to the contract; one that is renamed or dropped needs a new schema number.
"""

from __future__ import annotations

import functools
import json
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

from detaudit.errors import TraceError
from detaudit.model.evidence import Evidence
from detaudit.model.result import AuditResult

SCHEMA = "detaudit.result"
VERSION = 1
KEYS = (
    "verdict", "reason", "target", "runs", "compared", "findings", "unexplained", "extra_runs", "perturbed",
    "references", "varied", "notices", "scope",
)  # fmt: skip
"""The keys of the contract behind `schema` and `detaudit`, in the order in which they are written."""

ADDED = frozenset({"extra_runs", "perturbed", "references", "varied", "scope", "rank", "ranks"})
"""Keys that an older result may lack."""

WRITE_AGAIN = "write it again with `detaudit check TARGET --json FILE`"

T = TypeVar("T")


def result_to_dict(result: AuditResult, version: str) -> dict[str, object]:
    """Turn the answer into JSON types; `version` is detaudit's. Numbers that JSON lacks become strings."""
    plain = to_plain(result)
    return {"schema": f"{SCHEMA}/{VERSION}", "detaudit": version, **{key: plain[key] for key in KEYS}}


def result_to_json(result: AuditResult, version: str) -> str:
    """Write the answer as text that ends in a line break."""
    return json.dumps(result_to_dict(result, version), indent=2, allow_nan=False) + "\n"


def result_from_json(text: str | bytes, source: str) -> AuditResult:
    """Read an answer back; `source` is what messages call it.

    Raises TraceError if the text is cut, was not written by detaudit, or by a newer one.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        message = f"{source} is not a result of detaudit, or only a part of one: {error}"
        raise TraceError("result-damaged", message, WRITE_AGAIN) from error
    _check_schema(document, source)
    try:
        return from_plain(AuditResult, document, "result")
    except (KeyError, TypeError, ValueError) as error:
        message = f"{source} is not a complete result of detaudit: {error.args[0]}"
        raise TraceError("result-damaged", message, WRITE_AGAIN) from error


def _check_schema(document: object, source: str) -> None:
    schema = document.get("schema") if isinstance(document, dict) else None
    name, _, number = str(schema).partition("/")
    if not isinstance(schema, str) or name != SCHEMA or not number.isdecimal():
        raise TraceError("result-foreign", f"{source} is not a result of detaudit", WRITE_AGAIN)
    if number != str(VERSION):
        message = f"{source} has schema {schema}; this detaudit reads {SCHEMA}/{VERSION}"
        raise TraceError(
            "result-version", message, "use the detaudit version that wrote it, or " + WRITE_AGAIN
        )


def to_plain(value: Any) -> Any:  # noqa: ANN401 - a dataclass and whatever it holds
    """Turn a dataclass, or what it holds, into JSON's own types."""
    if isinstance(value, Evidence):
        value = value.as_dict()
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value):
        return {field.name: to_plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    return str(value) if isinstance(value, Path) else value


def from_plain(kind: type[T], value: object, where: str) -> T:
    """Build a dataclass from a JSON object; keys that it does not know were added later and are left out.

    `where` is what messages call it. Raises KeyError, TypeError or ValueError for what does not fit.
    """
    if not isinstance(value, dict):
        raise TypeError(f"{where} is not an object")
    if kind is Evidence:
        return Evidence.from_dict(value)  # type: ignore[return-value]  # T is Evidence here
    hints = _hints(kind)  # type: ignore[arg-type]  # a class is hashable
    given = {}
    for field in fields(kind):  # type: ignore[arg-type]
        if field.name not in value:
            if field.name in ADDED:
                continue
            raise KeyError(f"{where} has no {field.name}")
        given[field.name] = _read_as(hints[field.name], value[field.name], f"{where}.{field.name}")
    return kind(**given)


@functools.cache
def _hints(kind: type[Any]) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _read_as(hint: Any, value: Any, where: str) -> Any:  # noqa: ANN401 - a type and a value of it
    """Check a JSON value against a type and convert it."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in {types.UnionType, typing.Union}:
        (inner,) = (argument for argument in arguments if argument is not types.NoneType)
        return None if value is None else _read_as(inner, value, where)
    if origin is tuple:
        return _read_tuple(arguments, value, where)
    if origin is dict:
        if not isinstance(value, dict):
            raise TypeError(f"{where} is not an object")
        return {key: _read_as(arguments[1], entry, f"{where}.{key}") for key, entry in value.items()}
    if is_dataclass(hint):
        return from_plain(hint, value, where)  # type: ignore[arg-type]
    return _read_scalar(hint, value, where)


def _read_tuple(arguments: tuple[Any, ...], value: object, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise TypeError(f"{where} is not a list")
    hints = [arguments[0]] * len(value) if arguments[-1] is Ellipsis else list(arguments)
    if len(hints) != len(value):
        raise ValueError(f"{where} has {len(value)} entries instead of {len(hints)}")
    return tuple(
        _read_as(hint, entry, f"{where}[{index}]")
        for index, (hint, entry) in enumerate(zip(hints, value, strict=True))
    )


def _read_scalar(hint: Any, value: Any, where: str) -> Any:  # noqa: ANN401 - a type and a value of it
    if hint is object:
        return value
    if isinstance(hint, type) and issubclass(hint, Enum):
        try:
            return hint(value)
        except ValueError:
            raise ValueError(f"{where} is {value!r}") from None
    if hint is Path and isinstance(value, str):
        return Path(value)
    if hint is float and value in ("NaN", "Infinity", "-Infinity"):
        return float(value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise TypeError(f"{where} is {value!r}")
    return value
