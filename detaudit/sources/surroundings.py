"""The surroundings of a program, which should not matter: folder, environment, locale, threads.

These are only made to vary: between two runs on one machine they are the same anyway.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from detaudit.axes import threads
from detaudit.model.cause import Cause
from detaudit.model.ledger import Act, Fact, LedgerEntry
from detaudit.sources import host
from detaudit.sources.observation import ChangeSeen
from detaudit.sources.source import Perturbation, Source
from detaudit.sources.taps import Asked, Taps

FOLDER = "working-directory"
THREADS = threads.AXIS.name
ENVIRONMENT = "environment"
LOCALE = "locale-and-time-zone"
FEW, MANY = "1", "4"

_VARIABLES = {
    "USER": "somebody",
    "LOGNAME": "somebody",
    "HOSTNAME": "elsewhere",
    "COLUMNS": "61",
    "LINES": "17",
    "LANG": "C.UTF-8",
    "UNKNOWN_TO_THE_PROGRAM": "1",
}


def _tap_environment(taps: Taps) -> None:
    def read(original: Any, variables: Any, name: Any) -> str:
        try:
            value: str = original(variables, name)
        except KeyError:
            value = ""
            raise
        finally:
            if name in _VARIABLES:
                taps.note(ENVIRONMENT, f"os.environ[{name!r}]", value, Fact(Act.READS, about=name))
        return value

    taps.method(type(os.environ), "__getitem__", read, asked_by=Asked.PROGRAM_THROUGH_STANDARD)


def _threads(number: str, words: str) -> Perturbation:
    return Perturbation(number, words, threads.variables(int(number)))


def _other_number(environment: Mapping[str, object]) -> tuple[str, ...]:
    """Choose another number of threads than a run had."""
    return (MANY,) if str(environment.get(threads.SEEN_AS)) == FEW else (FEW,)


def _name_folder(seen: ChangeSeen) -> tuple[Cause, LedgerEntry | None]:
    of_files = {Act.LISTS_FOLDER, Act.LOOKS_FOR_FILE, Act.OPENS_TO_READ, Act.OPENS_TO_WRITE}
    return seen.cause, seen.last(
        lambda entry: entry.operation == host.WORKING_FOLDER or entry.act in of_files
    )


def _name_zone(seen: ChangeSeen) -> tuple[Cause, LedgerEntry | None]:
    return seen.cause, seen.last(lambda entry: entry.act is Act.READS_LOCAL_TIME)


SOURCES = (
    Source(
        name=THREADS,
        words="the number of threads",
        causes=(Cause.NUMERIC_SETTING,),
        covers="number of threads",
        applicable=_other_number,
        is_setting=True,
        perturbed_by=(_threads(FEW, "1 thread"), _threads(MANY, "4 threads")),
    ),
    Source(
        name=FOLDER,
        words="the folder in which the program is started",
        name_change=_name_folder,
        causes=(Cause.ENV_DEPENDENCE,),
        perturbed_by=(Perturbation("empty", "another working directory, which is empty"),),
    ),
    Source(
        name=LOCALE,
        words="the locale and the time zone",
        name_change=_name_zone,
        causes=(Cause.ENV_DEPENDENCE,),
        perturbed_by=(
            Perturbation(
                "C, Kiritimati",
                "the locale C and the time zone of Kiritimati",
                {"LC_ALL": "C", "TZ": "Pacific/Kiritimati"},
            ),
        ),
    ),
    Source(
        name=ENVIRONMENT,
        words="environment variables that concern no number (USER, HOSTNAME, COLUMNS and the like)",
        causes=(Cause.ENV_DEPENDENCE,),
        tap=_tap_environment,
        perturbed_by=(
            Perturbation("renamed", f"other values of {', '.join(list(_VARIABLES)[:6])}", _VARIABLES),
        ),
    ),
)
