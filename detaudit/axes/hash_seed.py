"""The seed with which Python salts the hashes of strings: it decides the order of sets."""

from __future__ import annotations

import os
import re
import sys

from detaudit.axes.axis import Axis, Syntax, UnfitError
from detaudit.model.variation import Promise

VARIABLE = "PYTHONHASHSEED"
RANDOM = "random"
_TEXT = "detaudit"


def variables(seed: str) -> dict[str, str]:
    """Give the environment variable that sets the seed."""
    return {VARIABLE: seed}


def _read(text: str) -> str:
    if not re.fullmatch(RANDOM + "|[0-9]{1,10}", text):
        raise ValueError(text)
    return text


def _check(seed: str) -> None:
    """See to it that the seed is in force: a program may have started itself anew with another."""
    if seed == RANDOM or os.environ.get(VARIABLE) == seed:
        return
    # Late: this file is read before the program, which is to find what it finds without us.
    import subprocess

    # Setting the variable changes nothing in a process that is running: only the hashes tell.
    asking = [sys.executable, "-S", "-c", f"print(hash({_TEXT!r}))"]
    answer = subprocess.run(asking, env={**os.environ, **variables(seed)}, capture_output=True, check=False)
    if answer.stdout.strip() != str(hash(_TEXT)).encode():
        raise UnfitError(f"hash-seed={seed} is not in force: the program chose another one")


AXIS = Axis(
    name="hash-seed",
    owes=Promise.BITS,
    syntax=Syntax("whole numbers from 0 on", _read),
    environment=variables,
    in_process=_check,
)
