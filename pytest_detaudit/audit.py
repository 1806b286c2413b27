"""Audits of tests, and of calls that tests make, in fresh pytest processes."""

from __future__ import annotations

from contextlib import AbstractContextManager, chdir, contextmanager
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from detaudit.errors import TargetError
from detaudit.model.plan import Target, TargetKind, TargetRef
from detaudit.run.progress import Silence
from detaudit.run.workspace import workspace
from pytest_detaudit.order import Order, command_for, id_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from detaudit.diagnose.options import AuditOptions
    from detaudit.model.result import AuditResult
    from detaudit.vary.options import VaryOptions


@contextmanager
def as_target(item: pytest.Item, order: Order) -> Iterator[Target]:
    """Make a target of a test, or of a call in it, for as long as the block lasts."""
    with workspace(None) as folder:
        path = folder / "order.json"
        order.save(path)
        command = command_for(item.config, [item.path], path)
        yield Target(TargetKind.TEST, name_of(item, order), path=Path(item.path), command=command)


def name_of(item: pytest.Item, order: Order) -> str:
    """Name a test, or a call in it, as answers name it."""
    test = id_of(item)
    return test if not order.call else f"{test}, call {order.call + 1} of detaudit"


def audit_test(item: pytest.Item, order: Order, options: AuditOptions) -> AuditResult:
    """Run a test, or a call in it, in fresh processes, and hold the runs against each other."""
    from detaudit.diagnose.audit import audit_target

    with as_target(item, order) as target, in_folder_of(item.config):
        return audit_target(target, options, Silence())


def audit_test_along_axes(item: pytest.Item, order: Order, options: VaryOptions) -> AuditResult:
    """Run a test, or a call in it, under other conditions, and hold the runs against each other."""
    from detaudit.vary.audit import audit_along_axes

    with as_target(item, order) as target, in_folder_of(item.config):
        return audit_along_axes(target, options, Silence())


def audit_model_file(item: pytest.Item, path: str | PathLike[str], options: VaryOptions) -> AuditResult:
    """Run a model file under other conditions; `path` is relative to the folder of the test's file."""
    from detaudit.targets.find import find_target
    from detaudit.vary.audit import audit_along_axes

    found = find_target(TargetRef(str(Path(item.path).parent / path)))
    if found.kind is not TargetKind.MODEL_FILE:
        hint = "give the path of a file with make_model and make_batches, or a function that trains"
        raise TargetError("model-file-incomplete", f"{path} is no model file", hint)
    with in_folder_of(item.config):
        return audit_along_axes(found, options, Silence())


def in_folder_of(config: pytest.Config) -> AbstractContextManager[None]:
    """Be in the folder in which pytest was started: a test may have left it."""
    return chdir(config.invocation_params.dir)
