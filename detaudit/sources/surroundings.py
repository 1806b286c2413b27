"""What surrounds a program and should not matter to it: its folder, its environment, the locale, the threads.

These are only made to vary: between two runs on one machine they are the same anyway.
"""

from __future__ import annotations

import os
from typing import Any

from detaudit.sources.kernels import THREAD_VARIABLES
from detaudit.sources.source import Source, Variation
from detaudit.sources.taps import Asked, Taps

FOLDER = "working-directory"
THREADS = "threads"
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
    def read(original: Any, variables: Any, name: Any) -> str:  # noqa: ANN401 - as the method
        try:
            value: str = original(variables, name)
        except KeyError:
            value = ""
            raise
        finally:
            if name in _VARIABLES:
                taps.note(ENVIRONMENT, f"os.environ[{name!r}]", value, subject=name)
        return value

    taps.method(type(os.environ), "__getitem__", read, asked_by=Asked.PROGRAM_THROUGH_STANDARD)


def _threads(number: str, words: str) -> Variation:
    return Variation(number, words, dict.fromkeys(THREAD_VARIABLES, number))


SOURCES = (
    Source(
        name=THREADS,
        words="the number of threads",
        causes=("numeric-setting",),
        varied_by=(_threads(FEW, "1 thread"), _threads(MANY, "4 threads")),
    ),
    Source(
        name=FOLDER,
        words="the folder in which the program is started",
        causes=("env-dependence",),
        varied_by=(Variation("empty", "another working directory, which is empty"),),
    ),
    Source(
        name=LOCALE,
        words="the locale and the time zone",
        causes=("env-dependence",),
        varied_by=(
            Variation(
                "C, Kiritimati",
                "the locale C and the time zone of Kiritimati",
                {"LC_ALL": "C", "TZ": "Pacific/Kiritimati"},
            ),
        ),
    ),
    Source(
        name=ENVIRONMENT,
        words="environment variables that concern no number (USER, HOSTNAME, COLUMNS and the like)",
        causes=("env-dependence",),
        tap=_tap_environment,
        varied_by=(Variation("renamed", f"other values of {', '.join(list(_VARIABLES)[:6])}", _VARIABLES),),
    ),
)
