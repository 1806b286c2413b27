"""Read the settings: defaults, then `[tool.detaudit]`, then `DETAUDIT_*`, then the command line.

One table of options drives the command line, the file reader and the checks. An unknown name is an error with
the nearest one that exists, wherever it was written. No room below sees the settings: each engine has options
of its own, which are taken out of the settings here.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TypeVar

from detaudit.diagnose.options import AuditOptions
from detaudit.errors import UsageError
from detaudit.options import BY_NAME, OPTIONS, PREFIX, Value, checked, parse, unknown_name
from detaudit.reference.options import CommitOptions, LockOptions
from detaudit.run.options import RunOptions
from detaudit.vary.options import Asked, VaryOptions

RESERVED = frozenset({"DETAUDIT_RECORD", "DETAUDIT_SESSION", "DETAUDIT_WITHIN", "DETAUDIT_DEBUG"})
RESERVED_PREFIX = "DETAUDIT_INTERNAL_"
PATHS = ("keep", "repro", "fix", "lock")

P = TypeVar("P", bound=RunOptions)
"""A part of the settings: a class that `Settings` inherits from."""


@dataclass(frozen=True, slots=True)
class Settings(AuditOptions):
    """All options, resolved: those of every audit, those of one kind of audit, and those of the answer."""

    vary: tuple[str, ...] = ()
    """Axes with their values, `threads=1,2`, along which the target is run."""
    lock: Path | None = None
    """The lock that runs are held against."""
    against: str | None = None
    """The git reference that the work tree is held against."""
    link: str | None = None
    """Folders that git ignores and the other commit needs as well, with commas between them."""
    tolerance: float | None = None
    """The relative difference up to which a run counts as the same as its reference."""
    json: str | None = None
    """The file for the JSON result; `-` is standard output, as for the other reports."""
    markdown: str | None = None
    junit: str | None = None
    sarif: str | None = None
    github: bool = False
    """Whether annotations for GitHub's log go to standard output."""
    update: bool = False
    """In pytest, and where CI is set: whether locks are written anew."""
    report: str | None = None
    """In pytest: FORMAT:PATH, with commas between several."""


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


def run_options(settings: Settings) -> RunOptions:
    """Take what runs need out of the settings."""
    return _part(settings, RunOptions)


def audit_options(settings: Settings) -> AuditOptions:
    """Take what an audit needs out of the settings."""
    return _part(settings, AuditOptions)


def vary_options(settings: Settings, axes: Asked) -> VaryOptions:
    """Take what an audit along axes needs out of the settings; `axes` is what their texts say."""
    return VaryOptions(axes, audit_options(settings), settings.tolerance)


def lock_options(settings: Settings, path: Path) -> LockOptions:
    """Take what an audit against the lock at `path` needs out of the settings."""
    return LockOptions(path, audit_options(settings), settings.tolerance)


def commit_options(settings: Settings, reference: str) -> CommitOptions:
    """Take what an audit against a commit needs out of the settings."""
    return CommitOptions(reference, audit_options(settings), settings.tolerance, settings.link)


def _part(settings: Settings, part: type[P]) -> P:
    """Take the fields of a class that `Settings` inherits from."""
    return part(**{field.name: getattr(settings, field.name) for field in fields(part)})


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
            raise unknown_name(f"environment variable {variable}", variable, variables)
        if text:
            option = variables[variable]
            found[option.name] = checked(option, parse(option, text, variable), variable)
    return found


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
        raise unknown_name(f"option {name!r} in [tool.detaudit] of {path}", name, BY_NAME)
    option = BY_NAME[name]
    accepted = checked(option, value, f"{name} in [tool.detaudit] of {path}")
    if option.is_path and accepted != "-":
        return str(path.parent / str(accepted))
    return accepted


def defaults() -> dict[str, object]:
    """Every option's default."""
    return {field.name: field.default for field in fields(Settings)}


def in_ci() -> bool:
    """Say whether this is a continuous integration job, for which the variable CI is set."""
    return os.environ.get("CI", "").lower() not in {"", "0", "false"}
