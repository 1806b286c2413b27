"""Read what the README, the contributing guide and the pages show: commands, options, files, reports."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

import yaml

from detaudit.cli.main import VERBS, Parser, build_parser, split
from detaudit.config import resolve
from detaudit.errors import DetauditError
from detaudit.pages.page import page
from detaudit.vary.axis_syntax import read_options

ROOT = Path(__file__).parents[1]
DOCUMENTS = {
    path.name: path
    for path in (
        ROOT / "README.md",
        ROOT / ".github" / "CONTRIBUTING.md",
        *sorted((ROOT / "detaudit" / "pages").glob("*.md")),
    )
}
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
REMARK = re.compile(r"\s+#\s.*")
OF_GITHUB = re.compile(r"\$\{\{.*?\}\}")
"""An expression that GitHub replaces before a shell sees it."""
ROOMS = re.compile(r"(detaudit|pytest_detaudit|tests|\.github|\.ci)/[\w./-]*")
LINK = re.compile(r"\]\(([^)#:]+)\)")
NAME_OF_FILE = re.compile(r"`([\w/]+\.py)`: `(\w+)`")
NAME_IN_FILE = re.compile(r"`(\w+)`(?: in|,? \() ?`([\w/]+\.py)`")
PLACEHOLDER = re.compile(r"[A-Z]+")
OTHERS_OPTIONS = {"--", "--junitxml", "--eval-every", "--epochs", "--nproc-per-node"}
"""Of pytest, and of the programs of users in examples."""
LABEL, ROW = 20, " " * 24
WITH_ROWS = {"operators", "layers", "growth"}
"""Lines of a report that rows follow. Which rows there are, and in which order, depends on the machine."""
FARTHEST = re.compile(r"aten\S+\s+in\s+\d+")
"""The operator that is farthest off, and in which module: it depends on the machine too."""
NUMBER = re.compile(r"\d+(\.\d+)?(e[+-]?\d+)?")


def fences(text: str) -> list[tuple[str, str]]:
    """Give the pieces of code, each with its language."""
    return FENCE.findall(text)


def prose(text: str) -> str:
    """Leave out the pieces of code, and put the rest on one line."""
    return " ".join(FENCE.sub("", text).split())


def names(text: str) -> list[str]:
    """Give what stands between backquotes within the text."""
    return re.findall(r"`([^`]+)`", prose(text))


def commands(text: str) -> Iterator[str]:
    """Give the command lines that are shown: in pieces of code, and whole ones within the text."""
    for language, code in fences(text):
        if language == "sh":
            yield from (
                part.strip() for line in code.splitlines() for part in REMARK.sub("", line).split("&&")
            )
        elif language == "console":
            yield from (line.removeprefix("$ ") for line in code.splitlines() if line.startswith("$ "))
        elif language == "yaml":
            yield from (OF_GITHUB.sub("REF", one.strip()) for one in _texts(yaml.safe_load(code)))
    yield from (name for name in names(text) if " " in name)


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from (text for one in value.values() for text in _texts(one))
    elif isinstance(value, list):
        yield from (text for one in value for text in _texts(one))


def fault_of(command: str) -> str | None:
    """Say what is wrong with a command line of detaudit, its plugin or its benchmarks; None if nothing is."""
    try:
        program, *arguments = shlex.split(command)
    except ValueError:
        return None
    match program:
        case "detaudit":
            return _fault_of_detaudit(arguments)
        case "pytest":
            unknown = {one for one in arguments if one.startswith("--detaudit")} - options_of_plugin()
            return f"no such option: {unknown}" if unknown else None
        case "python" if arguments[0] == "-m" and arguments[1].startswith("tests."):
            place = ROOT / arguments[1].replace(".", "/")
            return None if place.is_dir() or place.with_suffix(".py").exists() else f"no {place}"
    return None


def _fault_of_detaudit(arguments: list[str]) -> str | None:
    if len(arguments) == 1:
        return None if arguments[0] in VERBS else f"no such verb: {arguments[0]}"
    own, passed_on = split(arguments)
    try:
        given, unknown = build_parser(own[0]).parse_known_args(own)
        if given.verb == "check":
            read_options(resolve(vars(given), folder=ROOT, environment={}).vary)
        if given.verb == "explain" and not PLACEHOLDER.fullmatch(given.page):
            page(given.page)
    except DetauditError as error:
        return error.message
    except SystemExit:
        return None
    if passed_on is not None and not hasattr(given, "passed_on"):
        return "nothing that arguments could go to"
    return f"unknown arguments: {unknown}" if unknown else None


def options_of_plugin() -> set[str]:
    """Give the options that the plugin adds to pytest."""
    source = (ROOT / "pytest_detaudit" / "plugin.py").read_text()
    return set(re.findall(r'"(--detaudit[a-z-]*)"', source))


def known_options() -> set[str]:
    """Give the options of all verbs, of the plugin, and of others that examples mention."""
    found = options_of_plugin() | OTHERS_OPTIONS
    for verb in VERBS:
        parser = Parser()
        importlib.import_module(f"detaudit.cli.{verb}").configure(parser)
        found |= parser._option_string_actions.keys()
    return found


def unknown_options(text: str) -> set[str]:
    """Give the options within the text that nothing has."""
    words = (word for name in names(text) for word in name.split())
    return {word.partition("=")[0] for word in words if re.match(r"--[a-z]|--$", word)} - known_options()


def missing_files(text: str, folder: Path) -> set[str]:
    """Give the files within text and links that do not exist; `folder` is that of the document."""
    words = {word for name in names(text) for word in name.split() if ROOMS.fullmatch(word)}
    links = {link for link in LINK.findall(prose(text)) if not (folder / link).exists()}
    return links | {word for word in words if not (ROOT / word).exists()}


def missing_names(text: str) -> set[str]:
    """Give the functions, classes and constants that the text names together with a file that lacks them."""
    flat = prose(text)
    pairs = [*NAME_OF_FILE.findall(flat), *((file, name) for name, file in NAME_IN_FILE.findall(flat))]
    return {f"{file}: {name}" for file, name in pairs if name not in _defined(ROOT / file)}


def _defined(file: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
    return found


def reports(text: str) -> list[tuple[str, str]]:
    """Give the commands of detaudit that are shown with what they print."""
    shown = (code.partition("\n") for language, code in fences(text) if language == "console")
    return [(command.removeprefix("$ "), output) for command, _, output in shown]


def without_numbers(report: str) -> str:
    """Reduce a report to its words: numbers, line breaks and the rows of tables depend on the machine."""
    words = " ".join(_without_rows(report))
    return " ".join(NUMBER.sub("N", FARTHEST.sub("OPERATOR", words)).split())


def _without_rows(report: str) -> Iterator[str]:
    label = ""
    for line in report.splitlines():
        label = line[:LABEL].strip() or label
        if label not in WITH_ROWS or not line.startswith(ROW):
            yield line
