"""Show the versions, flags and settings that matter for reproducibility here."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from detaudit.cli.options import Once
from detaudit.errors import EXIT_REPRODUCIBLE
from detaudit.report.output import check_destinations, write
from detaudit.report.terminal import printable

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of this verb."""
    help_text = "write the list as JSON to this file; - is standard output"
    parser.add_argument("--json", action=Once, metavar="FILE", help=help_text)


def run(arguments: argparse.Namespace) -> int:
    """Print the environment."""
    check_destinations([arguments.json])
    # Imported late: it imports torch, which takes about two seconds.
    from detaudit.record.environment import environment

    found = environment()
    if arguments.json is not None:
        write(json.dumps(found, indent=2) + "\n", arguments.json)
    if arguments.json != "-":
        encoding = sys.stdout.encoding or "utf-8"
        for line in lines(found):
            print(printable(line, encoding))
    return EXIT_REPRODUCIBLE


def lines(values: Mapping[str, object], indent: str = "") -> Iterator[str]:
    """Names and values, aligned, groups indented below their name."""
    width = max((len(name) for name in values), default=0)
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield f"{indent}{name}"
            yield from lines(value, indent + "  ")
        else:
            yield f"{indent}{name:<{width}}  {_shown(value)}"


def _shown(value: object) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case list() | tuple():
            return ", ".join(str(entry) for entry in value) or "-"
        case _:
            return str(value)
