"""Note the lines that read environment variables which two runs have on purpose with other values.

There is nothing to hold: two runs with equal values are two runs under the same conditions.
"""

from __future__ import annotations

import os
from typing import Any

from detaudit.model.cause import Cause
from detaudit.model.ledger import Act, Fact
from detaudit.sources.source import Source
from detaudit.sources.taps import Asked, Taps

NAME = "environment-variables"


def _tap(taps: Taps) -> None:
    names = set(taps.amount_in_words(NAME).split(","))

    def read(original: Any, variables: Any, name: Any) -> str:
        value: str = original(variables, name)
        if name in names:
            taps.note(NAME, f"os.environ[{name!r}]", value, Fact(Act.READS, about=name))
        return value

    taps.method(type(os.environ), "__getitem__", read, asked_by=Asked.PROGRAM_THROUGH_STANDARD)


SOURCE = Source(
    name=NAME,
    words="environment variables",
    causes=(Cause.ENV_DEPENDENCE,),
    tap=_tap,
)
"""Its amount, where it is held, is a list of variable names, with commas between them."""
