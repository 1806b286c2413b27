"""Read the settings: defaults, then `[tool.detaudit]`, then `DETAUDIT_*`, then the command line.

One table of options drives the command line, the file reader and the checks. An unknown name is an error with
the nearest one that exists, wherever it was written.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path

from detaudit.errors import UsageError
from detaudit.options import BY_NAME, OPTIONS, PREFIX, Option, Settings, Value

RESERVED = frozenset({"DETAUDIT_SESSION", "DETAUDIT_WITHIN", "DETAUDIT_DEBUG"})
RESERVED_PREFIX = "DETAUDIT_INTERNAL_"
PATHS = ("keep", "repro", "fix", "lock")
TRUTHS = {"1": True, "true": True, "0": False, "false": False}
"""The words for yes and no in the environment."""


def resolve(
    command_line: Mapping[str, Value | None],
    *,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """Put all settings together, the more specific ones on top.

    Args:
        command_line: options as parsed; None and what is no setting at all is left out.
        folder: where to look for `pyproject.toml`, there and upwards; by default the current folder.
        environment: by default that of the process.

    Raises UsageError for an unknown name, a value of the wrong type or out of range.
    """
    typed = {name: value for name, value in command_line.items() if name in BY_NAME and value is not None}
    merged = {
        **from_file(folder or Path.cwd()),
        **from_environment(os.environ if environment is None else environment),
        **{name: checked(BY_NAME[name], value, f"--{name}") for name, value in typed.items()},
    }
    folders = {name: Path(str(merged[name])) for name in PATHS if name in merged}
    return Settings(**{**merged, **folders})  # type: ignore[arg-type]


def from_file(folder: Path) -> dict[str, Value]:
    """Read the table `[tool.detaudit]` of the nearest `pyproject.toml` that has it, here or upwards."""
    for place in (folder.resolve(), *folder.resolve().parents):
        path = place / "pyproject.toml"
        table = _table(path) if path.is_file() else None
        if table is not None:
            return {name: _from_file(path, name, value) for name, value in table.items()}
    return {}


def from_environment(environment: Mapping[str, str]) -> dict[str, Value]:
    """Read the settings from the `DETAUDIT_*` variables. An empty variable counts as not set."""
    variables = {option.variable: option for option in OPTIONS}
    found: dict[str, Value] = {}
    for variable, text in environment.items():
        if not variable.startswith(PREFIX) or variable in RESERVED or variable.startswith(RESERVED_PREFIX):
            continue
        if variable not in variables:
            raise _unknown(f"environment variable {variable}", variable, variables)
        if text:
            option = variables[variable]
            found[option.name] = checked(option, parse(option, text, variable), variable)
    return found


def parse(option: Option, text: str, source: str) -> Value:
    """Read an option's value from text. Raises UsageError if it is not of the option's type."""
    try:
        return TRUTHS[text.lower()] if option.type is bool else option.type(text)
    except (KeyError, ValueError):
        raise _wrong(option, text, source) from None


def checked(option: Option, value: object, source: str) -> Value:
    """Return the value if it is one the option can have. Raises UsageError otherwise."""
    if option.several:
        return _names(option, value, source)
    if option.repeated:
        return _texts(option, value, source)
    if option.pattern and isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if option.type is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    # To Python a bool is a whole number as well.
    if not isinstance(value, option.type) or isinstance(value, bool) is not (option.type is bool):
        raise _wrong(option, value, source)
    if option.choices and value not in option.choices:
        raise _wrong(option, value, source)
    if isinstance(value, str):
        if not value or (option.pattern and not re.fullmatch(option.pattern, value)):
            raise _wrong(option, value, source)
        return value
    in_range = (option.least is None or value >= option.least) and (
        option.most is None or value <= option.most
    )
    if not in_range or value == float("inf"):
        raise _wrong(option, value, source)
    return value


def _texts(option: Option, value: object, source: str) -> tuple[str, ...]:
    """Check what may be given several times, a list or lines. Raises UsageError for what is neither."""
    texts = value.splitlines() if isinstance(value, str) else value
    if not isinstance(texts, list | tuple) or not texts:
        raise _wrong(option, value, source)
    if not all(isinstance(text, str) and text.strip() for text in texts):
        raise _wrong(option, value, source)
    return tuple(text.strip() for text in texts)


def _names(option: Option, value: object, source: str) -> str:
    """Check a list of names; the same with commas between them. Raises UsageError for an unknown one."""
    names = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise _wrong(option, value, source)
    names = [name.strip() for name in names]
    if names == ["all"]:
        return "all"
    unknown = next((name for name in names if name not in option.several), None)
    if unknown is not None:
        raise _unknown(f"name {unknown!r} in {source}", unknown, ("all", *option.several))
    return ",".join(names)


def _table(path: Path) -> dict[str, object] | None:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        message = f"{path} cannot be read: {error}"
        raise UsageError("configuration-unreadable", message, "correct the file, or run elsewhere") from error
    tool = document.get("tool", {})
    table = tool.get("detaudit") if isinstance(tool, dict) else None
    if table is not None and not isinstance(table, dict):
        hint = "write a table: [tool.detaudit] and below it one option per line"
        raise UsageError("configuration-invalid", f"{path}: tool.detaudit is not a table", hint)
    return table


def _from_file(path: Path, name: str, value: object) -> Value:
    if name not in BY_NAME:
        raise _unknown(f"option {name!r} in [tool.detaudit] of {path}", name, BY_NAME)
    option = BY_NAME[name]
    accepted = checked(option, value, f"{name} in [tool.detaudit] of {path}")
    if option.is_path and accepted != "-":
        return str(path.parent / str(accepted))
    return accepted


def _unknown(what: str, name: str, known: Iterable[str]) -> UsageError:
    nearest = get_close_matches(name, list(known), n=1)
    hint = f"did you mean {nearest[0]}?" if nearest else f"known are: {', '.join(sorted(known))}"
    return UsageError("configuration-unknown", f"unknown {what}", hint)


def _wrong(option: Option, value: object, source: str) -> UsageError:
    return UsageError(
        "configuration-invalid", f"{source}: {value!r} is not possible", f"give {_expected(option)}"
    )


def _expected(option: Option) -> str:
    if option.several:
        return "all, or any of " + ", ".join(option.several)
    if option.repeated:
        return option.metavar
    if option.choices:
        return "one of " + ", ".join(option.choices)
    if option.type is str:
        return option.metavar if option.pattern else "a path"
    if option.type is bool:
        return "true or false"
    noun = "a whole number" if option.type is int else "a number"
    least = "" if option.least is None else f" of at least {option.least:g}"
    most = "" if option.most is None else f" and at most {option.most:.0f}"
    return noun + least + most


def defaults() -> dict[str, object]:
    """Every option's default."""
    return {field.name: field.default for field in fields(Settings)}


def in_ci() -> bool:
    """Say whether this is a continuous integration job, for which the variable CI is set."""
    return os.environ.get("CI", "").lower() not in {"", "0", "false"}
