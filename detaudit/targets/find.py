"""Find the target that the user typed: a script, a module, a model file, a callable.

Reads source files, runs nothing of them.
"""

from __future__ import annotations

import ast
import importlib.machinery
import importlib.metadata
import shlex
import shutil
import sys
import sysconfig
from dataclasses import replace
from pathlib import Path

from detaudit.errors import TargetError
from detaudit.model.plan import Target, TargetKind, TargetRef

FORMS = (
    "a target is train.py, model.py (with make_model), model.py:make_model, -m pkg.mod or pkg.mod:callable"
)

LAUNCH = (
    "a launcher starts a script or a module: `detaudit check train.py --launch 'torchrun --nproc-per-node 2'`"
)
LAUNCH = "write it as in a shell: `--launch 'torchrun --nproc-per-node 2'`"

_INSTALLED = frozenset({"site-packages", "dist-packages"})


def find_target(ref: TargetRef) -> Target:
    """Find the target, and its launcher. Raises TargetError, saying what was looked for, if there is none."""
    target = _found(ref)
    return replace(target, launch=_launcher(ref.launch, target)) if ref.launch else target


def _launcher(text: str, target: Target) -> tuple[str, ...]:
    """Take a launcher's command apart, and find its program."""
    if target.kind not in {TargetKind.SCRIPT, TargetKind.MODULE}:
        raise TargetError(
            "launch-unfit", f"{target.name} is called by detaudit itself, not started by a launcher", LAUNCH
        )
    try:
        program, *words = shlex.split(text)
    except ValueError as error:
        raise TargetError(
            "launch-unreadable", f"the launcher {text!r} cannot be read: {error}", LAUNCH
        ) from error
    found = shutil.which(program)
    if found is None:
        raise TargetError(
            "launcher-missing", f"no program named {program!r} to launch with", "is it on PATH?"
        )
    return (found, *words)


def _found(ref: TargetRef) -> Target:
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
    return Target(TargetKind.SCRIPT, ref.text, ref.args, path=path, package=_behind_command(path))


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
    package = _find_module(place)
    return Target(
        TargetKind.CALLABLE, ref.text, ref.args, import_name=place, attribute=attribute, package=package
    )


def _module(ref: TargetRef) -> Target:
    package = _find_module(ref.text)
    return Target(TargetKind.MODULE, f"-m {ref.text}", ref.args, import_name=ref.text, package=package)


def _find_module(name: str) -> Path | None:
    """Find the package that a module is in, and give its folder if it is an installed one."""
    # Only the top-level package is looked up: finding a submodule would import its parents.
    top = name.partition(".")[0]
    if top in sys.builtin_module_names:
        return None
    spec = importlib.machinery.PathFinder.find_spec(top, [str(Path.cwd()), *sys.path])
    if spec is None:
        raise TargetError(
            "module-missing", f"no module named {top!r}", f"it is looked for as `python -m` does; {FORMS}"
        )
    return _installed(spec)


def _installed(spec: importlib.machinery.ModuleSpec) -> Path | None:
    """Give the folder of a package that lies among the installed ones."""
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()]
    return next((one for one in folders if one.parent.name in _INSTALLED), None)


def _behind_command(path: Path) -> Path | None:
    """Give the folder of the installed package whose command a script is (pip writes such scripts)."""
    if path.parent.resolve() != Path(sysconfig.get_path("scripts")).resolve():
        return None
    for point in importlib.metadata.entry_points(group="console_scripts", name=path.stem):
        spec = importlib.machinery.PathFinder.find_spec(point.module.partition(".")[0])
        return None if spec is None else _installed(spec)
    return None


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
