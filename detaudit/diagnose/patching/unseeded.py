"""Fixes of `unseeded-python`, `unseeded-numpy`, `unseeded-torch` and `seed-order`."""

from __future__ import annotations

from detaudit.diagnose.patching.head import Head
from detaudit.diagnose.patching.names import Names
from detaudit.diagnose.patching.seeds import Seeds
from detaudit.diagnose.patching.source import Edit, Source
from detaudit.model.cause import Cause

MODULES: dict[str, str] = {
    Cause.UNSEEDED_PYTHON: "random",
    Cause.UNSEEDED_NUMPY: "numpy.random",
    Cause.UNSEEDED_TORCH: "torch",
}
"""Whose generator is meant, by cause."""
SEEDING = {"random": "seed", "numpy.random": "seed", "torch": "manual_seed"}
"""What seeds the global generator of a library."""
_OWN = (".Generator.", ".RandomState.", ".Random.")
"""Parts of a symbol that say that the generator is an object of its own."""


def fix_unseeded(source: Source, cause: str, line: int, symbol: str | None) -> list[Edit] | None:
    """Seed the generator that the line makes or uses, or else the global one at the head of the file."""
    names, module = Names(source), MODULES[cause]
    edits = Seeds(source, names, module).at(line, symbol)
    if edits:
        return edits
    if symbol is not None and any(part in symbol for part in _OWN):
        # A seed for the global generator would not reach it.
        return None
    return _seed_head(source, names, [module])


def fix_order(source: Source, _cause: str, _line: int, symbol: str | None) -> list[Edit] | None:
    """Seed at the head of the file, before anything can draw; each library, if it is not said which."""
    names = Names(source)
    roots = {module: module.split(".")[0] for module in SEEDING}
    meant = [module for module, root in roots.items() if (symbol or "").startswith(f"{root}.")]
    return _seed_head(source, names, meant or [one for one, root in roots.items() if names.imports(root)])


def _seed_head(source: Source, names: Names, modules: list[str]) -> list[Edit] | None:
    head = Head(source, names)
    referred = [head.module(module) for module in modules]
    statements = [f"{one.name}.{SEEDING[module]}(0)" for one, module in zip(referred, modules, strict=True)]
    if not statements or head.has(statements[0]):
        return None
    return head.add(statements, [one.statement for one in referred])
