"""From what the user typed to a target: a script, a module, a model file, a callable.

Reads source files, runs nothing of them.
"""

from __future__ import annotations

import ast
import importlib.machinery
import sys
from pathlib import Path

from detaudit.errors import TargetError
from detaudit.model.plan import Target, TargetKind, TargetRef

FORMS = (
    "a target is train.py, model.py (with make_model), model.py:make_model, -m pkg.mod or pkg.mod:callable"
)


def find_target(ref: TargetRef) -> Target:
    """Find the target. Raises TargetError, saying what was looked for, if there is none."""
    if ref.module:
        return _module(ref)
    path_text, _, attribute = ref.text.rpartition(":")
    if path_text and attribute.isidentifier():
        return _callable(ref, path_text, attribute)
    path = Path(ref.text)
    if path.is_dir() and (path / "__main__.py").is_file():
        return Target(TargetKind.SCRIPT, ref.text, ref.args, path=path)
    names = _names_in(path)
    # Many scripts have a make_model of their own; only with make_batches can detaudit drive it.
    if {"make_model", "make_batches"} <= names:
        return _model_file(ref, path, names)
    return Target(TargetKind.SCRIPT, ref.text, ref.args, path=path)


def _model_file(ref: TargetRef, path: Path, names: set[str]) -> Target:
    if "make_batches" not in names:
        raise TargetError(
            "model-file-incomplete",
            f"{path} defines make_model but not make_batches",
            "a model file needs make_model() and make_batches(); loss_fn and make_optimizer are optional",
        )
    if ref.args:
        raise TargetError(
            "model-file-arguments", "a model file takes no arguments", "remove what follows `--`"
        )
    return Target(TargetKind.MODEL_FILE, ref.text, path=path)


def _callable(ref: TargetRef, place: str, attribute: str) -> Target:
    path = Path(place)
    if place.endswith(".py") or path.is_file():
        names = _names_in(path)
        if attribute not in names:
            raise TargetError("callable-missing", f"{path} defines no {attribute} at its top level", FORMS)
        if attribute == "make_model":
            return _model_file(TargetRef(place, args=ref.args), path, names)
        return Target(TargetKind.CALLABLE, ref.text, ref.args, path=path, attribute=attribute)
    if not all(part.isidentifier() for part in place.split(".")):
        raise TargetError("target-missing", f"no such file: {ref.text}", FORMS)
    _find_module(place)
    return Target(TargetKind.CALLABLE, ref.text, ref.args, import_name=place, attribute=attribute)


def _module(ref: TargetRef) -> Target:
    _find_module(ref.text)
    return Target(TargetKind.MODULE, f"-m {ref.text}", ref.args, import_name=ref.text)


def _find_module(name: str) -> None:
    # Only the top-level package is looked up: finding a submodule would import its parents.
    top = name.partition(".")[0]
    if top in sys.builtin_module_names:
        return
    if importlib.machinery.PathFinder.find_spec(top, [str(Path.cwd()), *sys.path]) is None:
        raise TargetError(
            "module-missing", f"no module named {top!r}", f"it is looked for as `python -m` does; {FORMS}"
        )


def _names_in(path: Path) -> set[str]:
    """Names bound at the top level of a Python file."""
    try:
        source = path.read_bytes()
    except FileNotFoundError as error:
        raise TargetError("target-missing", f"no such file: {path}", FORMS) from error
    except OSError as error:
        raise TargetError("target-unreadable", f"cannot read {path}: {error.strerror}", FORMS) from error
    try:
        tree = ast.parse(source, str(path))
    except SyntaxError as error:
        text = (error.text or "").rstrip()
        place = f"{path}:{error.lineno}: {error.msg}" + (f"\n    {text.strip()}" if text else "")
        raise TargetError(
            "target-syntax", f"the target is not valid Python: {place}", "does `python` run it?"
        ) from error
    except ValueError as error:
        raise TargetError("target-syntax", f"{path} is not Python source: {error}", FORMS) from error
    return {name for node in tree.body for name in _bound(node)}


def _bound(node: ast.stmt) -> list[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Assign(targets=targets):
            return [target.id for target in targets if isinstance(target, ast.Name)]
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            return [alias.asname or alias.name.partition(".")[0] for alias in names]
        case ast.If(body=body, orelse=orelse) | ast.Try(body=body, orelse=orelse):
            return [name for inner in (*body, *orelse) for name in _bound(inner)]
    return []
