"""The arguments of a script, behind those that it has anyway."""

from __future__ import annotations

import shlex

from detaudit.axes.axis import Axis, Syntax
from detaudit.errors import UsageError
from detaudit.model.plan import TargetKind
from detaudit.model.variation import Promise


def _read(text: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        hint = 'close every quote: args="--name \'a b\'",""'
        raise UsageError(
            "vary-value", f"the arguments {text!r} cannot be taken apart: {error}", hint
        ) from None


AXIS = Axis(
    name="args",
    owes=Promise.BITS,
    syntax=Syntax("the arguments of the script, quoted", _read),
    targets=frozenset({TargetKind.SCRIPT, TargetKind.MODULE}),
    refusal="a {target} takes no arguments that could vary",
    instead="vary an environment variable that the program reads, env:NAME=A,B, or audit a script",
    arguments=lambda arguments: arguments,
)
