"""Read the settings in pytest: from the command line, the ini file, and `[tool.detaudit]`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from detaudit.config import Settings, resolve
from detaudit.errors import DetauditError
from detaudit.options import BY_NAME, Value, checked, parse

OPTIONS = ("runs", "scope", "level", "update", "report")


def settings_for(config: pytest.Config) -> Settings:
    """Read all settings of a session.

    Raises UsageError for a value that is not possible, wherever it was written.
    """
    given = {name: value for name in OPTIONS if (value := _given(config, name)) is not None}
    return resolve(given, folder=config.rootpath)


def adjusted(settings: Settings, explicit: Mapping[str, Value | None]) -> Settings:
    """Adjust the settings to the arguments of a test; None is no argument. Raises UsageError as above.

    A test is audited at level `layer`; operators are looked at where runs differ, as with `auto`. What files
    say for one audit on the command line (folders for its output, perturbations) is left out.
    """
    said = {
        name: checked(BY_NAME[name], value, name) for name, value in explicit.items() if value is not None
    }
    settings = replace(settings, keep=None, repro=None, fix=None, perturb=None)
    settings = replace(settings, **said)  # type: ignore[arg-type]  # checked against the table
    return replace(settings, level="auto") if settings.level == "layer" else settings


def _given(config: pytest.Config, name: str) -> Value | None:
    """Read an option from the command line, or else from the ini file; None if neither has it."""
    option = BY_NAME[name]
    flag, key = f"--detaudit-{name}", f"detaudit_{name}"
    value = config.getoption(key)
    if value is not None:
        return _read(name, _from_here(value, config) if name == "report" else value, flag)
    value = config.getini(key)
    if not value:
        return None
    if isinstance(value, str) and not isinstance(value, option.type):
        return parse(option, value, f"{key} in {config.inipath}")
    return _read(name, value, f"{key} in {config.inipath}")


def _from_here(reports: list[str], config: pytest.Config) -> list[str]:
    """Make paths relative to the folder where pytest was started; paths in files are relative to the root."""
    parts = [report.partition(":") for report in ",".join(reports).split(",")]
    here = config.invocation_params.dir
    return [
        f"{name}:{here / path}" if path not in {"", "-"} else name + colon + path
        for name, colon, path in parts
    ]


def _read(name: str, value: object, source: str) -> Value:
    if isinstance(value, list):
        return ",".join(map(str, value))
    if isinstance(value, bool):
        return value
    return parse(BY_NAME[name], str(value), source)


def usage_error(error: DetauditError) -> pytest.UsageError:
    """Give the error in the form that pytest shows."""
    return pytest.UsageError(f"detaudit: {error.message} [{error.slug}]; hint: {error.hint}")
