"""Find where the program defines the layers whose calls were kept."""

from __future__ import annotations

import inspect
from collections.abc import Iterable

from torch import nn

from detaudit.model.trace import Site
from detaudit.record.sites import Sites
from detaudit.replay.calls.module_call import ModuleCall
from detaudit.replay.wire.layers import Definition


def definitions(calls: Iterable[ModuleCall], sites: Sites) -> tuple[Definition, ...]:
    """Find the line of each layer that has a `forward` of the program's own."""
    found = {}
    for call in calls:
        site = _definition(call.module, sites)
        if site is not None:
            root, path, _, _ = call.identity
            found[root, path] = site
    return tuple(Definition(*place, site) for place, site in found.items())


def _definition(module: nn.Module, sites: Sites) -> Site | None:
    forward = inspect.unwrap(module.forward)
    code = getattr(forward, "__code__", None)
    return None if code is None else sites.definition(code)
