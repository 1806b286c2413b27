"""Fixes of `unseeded-library`: the argument that a library takes its seed by."""

from __future__ import annotations

import ast
import json
import sys
from functools import lru_cache

from detaudit.diagnose.patching.imports import ImportedNames, values_of
from detaudit.diagnose.patching.source import Edit, SourceFile, keyword, set_keyword
from detaudit.errors import RunError
from detaudit.run import guard

_PARAMETERS = ("random_state", "seed", "random_seed")
_METHODS = {"rvs": ("scipy", "random_state"), "sample": ("pandas", "random_state")}
"""Methods of objects that take a seed, the library that they belong to, and the parameter."""
_ENVIRONMENTS = ("gymnasium", "gym")
_SHUFFLING = ("KFold", "StratifiedKFold", "StratifiedGroupKFold")
"""Classes that raise ValueError for a seed if they do not shuffle."""

# Importing a library runs its code: not in this process, and not with the user's files on the path.
_ASK = """
import importlib, inspect, json, sys
parts = sys.argv[1].split(".")
for cut in range(len(parts) - 1, 0, -1):
    try:
        found = importlib.import_module(".".join(parts[:cut]))
    except ImportError:
        continue
    for part in parts[cut:]:
        found = getattr(found, part)
    parameters = inspect.signature(found).parameters
    print("\\n" + json.dumps({name: repr(one.default) for name, one in parameters.items()}))
    break
"""
_ASK_SECONDS = 60


def fix_library(source: SourceFile, _cause: str, line: int, _symbol: str | None) -> list[Edit] | None:
    """Hand the call on the line a seed, or the call that made the object whose method it calls."""
    names, calls = ImportedNames(source), source.calls_at(line)
    edits = [edit for call in calls for edit in _seeded(source, names, call) or []]
    if edits:
        return edits
    # `model.fit(x)`, `transform(image)`: the seed belongs where the object was made.
    receivers = [call.func.value for call in calls if isinstance(call.func, ast.Attribute)]
    objects = [*receivers, *(call.func for call in calls)]
    made = [value for one in objects if names.full(one) is None for value in values_of(source, one)]
    inside = [node for value in made for node in ast.walk(value) if isinstance(node, ast.Call)]
    return [edit for call in inside for edit in _seeded(source, names, call) or []] or None


def _seeded(source: SourceFile, names: ImportedNames, call: ast.Call) -> list[Edit] | None:
    name = names.full(call.func)
    if name is not None:
        parameter = _parameter(name, call)
        return set_keyword(source, call, parameter, "0") if parameter else None
    if not isinstance(call.func, ast.Attribute):
        return None
    if names.imports(*_ENVIRONMENTS) and (edits := _seeded_environment(source, call, call.func)):
        return edits
    library, parameter = _METHODS.get(call.func.attr, ("", ""))
    return set_keyword(source, call, parameter, "0") if library and names.imports(library) else None


def _parameter(name: str, call: ast.Call) -> str | None:
    """Return the parameter by which a library's function takes its seed; None if none is taken or needed."""
    defaults = _defaults(name)
    if name.startswith("sklearn."):
        shuffles = name.rpartition(".")[2] in _SHUFFLING
        defaults = defaults or {"random_state": "None", **({"shuffle": "False"} if shuffles else {})}
    if defaults.get("shuffle") == "False" and not _is_true(call, "shuffle"):
        return None
    return next((one for one in _PARAMETERS if one in defaults), None)


@lru_cache(maxsize=64)
def _defaults(name: str) -> dict[str, str]:
    """Look up the parameters of a library's function with their defaults, as text; empty if not found."""
    if name.startswith("."):
        return {}
    try:
        done = guard.ask([sys.executable, "-P", "-c", _ASK, name], seconds=_ASK_SECONDS)
        if done.code:
            return {}
        found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    except (RunError, IndexError, ValueError):
        return {}
    return found


def _is_true(call: ast.Call, name: str) -> bool:
    given = keyword(call, name)
    return given is not None and isinstance(given.value, ast.Constant) and given.value.value is True


def _seeded_environment(source: SourceFile, call: ast.Call, method: ast.Attribute) -> list[Edit] | None:
    """Seed an environment by its first reset, and its spaces by themselves."""
    receiver = method.value
    if method.attr == "reset" and not _is_repeated(source, call):
        return set_keyword(source, call, "seed", "0")
    if method.attr == "reset":
        # Every episode would be the same one: the seed goes where the environment is made.
        return _after_making(source, receiver, f"{source.code(receiver)}.reset(seed=0)")
    if method.attr == "sample" and isinstance(receiver, ast.Attribute) and receiver.attr.endswith("_space"):
        return _after_making(source, receiver.value, f"{source.code(receiver)}.seed(0)")
    return None


def _is_repeated(source: SourceFile, node: ast.AST) -> bool:
    """Whether a node is inside a loop, as far as its own function goes."""
    for above in source.above(node):
        if isinstance(above, ast.For | ast.AsyncFor | ast.While | ast.comprehension):
            return True
        if isinstance(above, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            return False
    return False


def _after_making(source: SourceFile, target: ast.expr, statement: str) -> list[Edit] | None:
    """Add a statement after the one that assigns an object; None if there is not exactly one."""
    assigned = source.all(ast.Assign)
    made = [one for one in assigned if [ast.unparse(place) for place in one.targets] == [ast.unparse(target)]]
    if len(made) != 1:
        return None
    start, end = source.start(made[0]), source.end(made[0])
    indent = source.text[source.line_start(start) : start]
    if indent.strip():
        return None
    following = source.text[end : source.line_end(end)].strip()
    if following and not following.startswith("#"):
        return None
    end = source.line_end(end)
    return [Edit(end, end, f"{source.newline}{indent}{statement}")]
