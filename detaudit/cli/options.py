"""Options that several verbs share, made from the table in `config`."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from detaudit.errors import UsageError
from detaudit.model.plan import TargetRef
from detaudit.options import BY_NAME, parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from detaudit.options import Option


class Once(argparse.Action):
    """Store a value, and refuse a second one."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[object] | None,
        option_string: str | None = None,
    ) -> None:
        """Take the option's text."""
        del parser
        if getattr(namespace, self.dest) is not None:
            raise UsageError("usage", f"{option_string} is given more than once", "give it once")
        setattr(namespace, self.dest, values)


class RepeatedOption(argparse.Action):
    """Gather the values of an option that may be given several times."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[object] | None,
        option_string: str | None = None,
    ) -> None:
        """Take one more."""
        del parser, option_string
        before = getattr(namespace, self.dest)
        setattr(namespace, self.dest, (*(before or ()), str(values)))


class SwitchOption(Once):
    """Store true for `--name` and false for `--no-name`, and refuse a second one."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[object] | None,
        option_string: str | None = None,
    ) -> None:
        """Take the side that is named."""
        del values
        super().__call__(parser, namespace, None, option_string)
        setattr(namespace, self.dest, not str(option_string).startswith("--no-"))


def add_settings(
    parser: argparse.ArgumentParser, names: Iterable[str], words: Mapping[str, str] | None = None
) -> None:
    """Add options of the table. Each is None if not given, so that configuration can set it.

    `words` says what some of them mean to this verb, where that is not what they mean to `check`.
    """
    for name in names:
        option = BY_NAME[name]
        _add(parser, replace(option, help=(words or {}).get(name, option.help)))


def _add(parser: argparse.ArgumentParser, option: Option) -> None:
    flag = f"--{option.name}"
    if option.type is bool:
        parser.add_argument(flag, f"--no-{option.name}", nargs=0, action=SwitchOption, help=option.help)
        return

    by_itself: dict[str, Any] = {"nargs": "?", "const": "all"} if option.several else {}

    def read(text: str) -> object:
        if option.several and text.endswith(".py"):
            hint = f"put {flag} after the target: `detaudit check {text} {flag}`"
            raise UsageError("usage", f"{flag} takes {text} as its value", hint)
        return parse(option, text, flag)

    metavar = "{" + ",".join(option.choices) + "}" if option.choices else option.metavar
    action = RepeatedOption if option.repeated else Once
    parser.add_argument(flag, type=read, action=action, metavar=metavar, help=option.help, **by_itself)


def add_target(parser: argparse.ArgumentParser) -> None:
    """Add TARGET and `-m`; what stands behind `--` is the target's own."""
    help_text = "train.py, model.py, model.py:make_model, or pkg.mod:callable; its own arguments go after --"
    parser.add_argument("target", nargs="?", metavar="TARGET", help=help_text)
    parser.add_argument(
        "-m", dest="module", action=Once, metavar="MODULE", help="run a module, as `python -m` does"
    )
    parser.set_defaults(passed_on=())


def target_of(arguments: argparse.Namespace, launch: str | None = None) -> TargetRef:
    """Return the target to run, with the launcher that is to start it.

    Raises UsageError unless exactly one of TARGET and `-m` is given.
    """
    if (arguments.target is None) == (arguments.module is None):
        problem = "no target is given" if arguments.target is None else "both TARGET and -m are given"
        hint = "give one: `detaudit check train.py`, or `detaudit check -m pkg.mod`"
        raise UsageError("usage", problem, hint)
    text = arguments.module if arguments.target is None else arguments.target
    return TargetRef(text, module=arguments.target is None, args=arguments.passed_on, launch=launch or "")
