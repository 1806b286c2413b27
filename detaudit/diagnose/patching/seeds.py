"""Fixes of `unseeded-python`, `-numpy`, `-torch` and `seed-order`, and of generators without a good seed."""

from __future__ import annotations

import ast
from typing import TypeGuard

from detaudit.diagnose.patching.imports import Head, ImportedNames, values_of
from detaudit.diagnose.patching.source import Edit, SourceFile, add_argument, is_none, keyword
from detaudit.model.cause import Cause

MODULES: dict[str, str] = {
    Cause.UNSEEDED_PYTHON: "random",
    Cause.UNSEEDED_NUMPY: "numpy.random",
    Cause.UNSEEDED_TORCH: "torch",
}
"""The library whose generator is at fault, by cause."""
SEEDING = {"random": "seed", "numpy.random": "seed", "torch": "manual_seed"}
"""The function that seeds the global generator, by library."""
_OWN = (".Generator.", ".RandomState.", ".Random.")
"""Parts of a symbol that say that the generator is an object of its own."""

CONSTRUCTORS = {
    "random": ("Random",),
    "numpy.random": (
        *("RandomState", "default_rng", "SeedSequence"),
        *("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"),
    ),
    "torch": (),
}
"""The calls that make a generator, by library; without a seed, the generator takes one from the system."""
_SEEDING = ("seed", "manual_seed", "manual_seed_all")
_SEED_ARGUMENTS = ("seed", "a", "x", "entropy", "new_seed")
_ENTROPY = frozenset(
    (
        *("time.time", "time.time_ns", "time.monotonic", "time.monotonic_ns"),
        *("time.perf_counter", "time.perf_counter_ns", "time.process_time"),
        *("os.getpid", "os.urandom", "os.getrandom", "uuid.uuid1", "uuid.uuid4"),
        *("secrets.randbits", "secrets.randbelow", "secrets.token_bytes", "secrets.token_hex"),
        *("datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today"),
        *("torch.seed", "torch.initial_seed"),
    )
)


def fix_unseeded(source: SourceFile, cause: str, line: int, symbol: str | None) -> list[Edit] | None:
    """Seed the generator that the line makes or uses, or else the global one at the head of the file."""
    names, module = ImportedNames(source), MODULES[cause]
    edits = Seeds(source, names, module).at(line, symbol)
    if edits:
        return edits
    if symbol is not None and any(part in symbol for part in _OWN):
        # A seed for the global generator would not reach it.
        return None
    return _seed_head(source, names, [module])


def fix_order(source: SourceFile, _cause: str, _line: int, symbol: str | None) -> list[Edit] | None:
    """Seed at the head of the file, before anything can draw; each library, if it is not said which."""
    names = ImportedNames(source)
    roots = {module: module.split(".")[0] for module in SEEDING}
    meant = [module for module, root in roots.items() if (symbol or "").startswith(f"{root}.")]
    return _seed_head(source, names, meant or [one for one, root in roots.items() if names.imports(root)])


def _seed_head(source: SourceFile, names: ImportedNames, modules: list[str]) -> list[Edit] | None:
    head = Head(source, names)
    referred = [head.module(module) for module in modules]
    statements = [f"{one.name}.{SEEDING[module]}(0)" for one, module in zip(referred, modules, strict=True)]
    if not statements or head.has(statements[0]):
        return None
    return head.add(statements, [one.statement for one in referred])


class Seeds:
    """Where one file makes and seeds the generators of one library, and what to write there instead."""

    def __init__(self, source: SourceFile, names: ImportedNames, module: str, seed: str = "0") -> None:
        self._source, self._names, self._module, self._seed = source, names, module, seed
        self._constructors = {f"{module}.{name}" for name in CONSTRUCTORS[module]}

    def at(self, line: int, symbol: str | None) -> list[Edit]:
        """Seed what a line makes or seeds, or what it draws from; nothing if that cannot be seen."""
        calls = self._source.calls_at(line)
        made = self.here(line, symbol) or [edit for call in calls for edit in self._makers(call)]
        return made or self._entropy(calls)

    def here(self, line: int, symbol: str | None) -> list[Edit]:
        """Seed what a line makes or seeds.

        A seed in a variable is replaced only if the symbol says that it is the seeding that is meant, and not
        something else on the same line.
        """
        meant = symbol is None or symbol.rpartition(".")[2] in (*_SEEDING, *CONSTRUCTORS[self._module])
        return [edit for call in self._source.calls_at(line) for edit in self._seeded(call, variables=meant)]

    def _seeded(self, call: ast.Call, *, variables: bool) -> list[Edit]:
        """Give a call that makes or seeds a generator a seed, if it has none that is constant."""
        if self._asks_system(call):
            # In torch, `seed` takes nothing and asks the system; `manual_seed` is what others call `seed`.
            end = self._source.end(call.func)
            renamed = Edit(end - len("seed"), end, "manual_seed")
            return [renamed, *(add_argument(self._source, call, self._seed) or [])]
        if self._names.full(call.func) not in self._constructors and not self._is_seeding(call.func):
            return []
        argument = seed_argument(call)
        if argument is None:
            return add_argument(self._source, call, self._seed) or []
        if isinstance(argument, ast.Constant) and not is_none(argument):
            return []
        from_system = self._from_system(argument)
        if from_system or not (variables or is_none(argument)):
            return from_system
        return [self._source.replace(argument, self._seed)]

    def _asks_system(self, call: ast.Call) -> bool:
        is_torch = self._module == "torch" and not call.args and self._is_seeding(call.func)
        return is_torch and isinstance(call.func, ast.Attribute) and call.func.attr == "seed"

    def _is_seeding(self, function: ast.expr) -> bool:
        """Whether it is this library's function that seeds, or a method of an object of unknown kind."""
        if not isinstance(function, ast.Attribute) or function.attr not in _SEEDING:
            return False
        name = self._names.full(function)
        return name is None or name.startswith(f"{self._module}.")

    def _makers(self, call: ast.Call) -> list[Edit]:
        """Seed the generators that a call is made on, or that it is given, where the file makes them."""
        receivers = [call.func.value] if isinstance(call.func, ast.Attribute) else []
        targets = [*receivers, *call.args, *(one.value for one in call.keywords)]
        values = [value for target in targets for value in values_of(self._source, target)]
        made = [node for value in values for node in ast.walk(value) if isinstance(node, ast.Call)]
        constructors = [one for one in made if self._names.full(one.func) in self._constructors]
        return [edit for one in constructors for edit in self._seeded(one, variables=False)]

    def _from_system(self, argument: ast.expr) -> list[Edit]:
        """Put a constant where a seed comes from the clock or the system, or where its variable does."""
        places = [argument, *values_of(self._source, argument)]
        calls = [node for place in places for node in ast.walk(place) if isinstance(node, ast.Call)]
        return self._constant([call for call in calls if self._names.full(call.func) in _ENTROPY])

    def _entropy(self, calls: list[ast.Call]) -> list[Edit]:
        """Put a constant in the place of clock or system, where a line sets a variable named as a seed."""
        drawn = [call for call in calls if self._names.full(call.func) in _ENTROPY]
        return self._constant([call for call in drawn if self._sets_seed(call)])

    def _sets_seed(self, call: ast.Call) -> bool:
        statement = next(above for above in self._source.above(call) if isinstance(above, ast.stmt))
        targets = statement.targets if isinstance(statement, ast.Assign) else []
        return any("seed" in ast.unparse(target).lower() for target in targets)

    def _constant(self, calls: list[ast.Call]) -> list[Edit]:
        """Replace each call, with all that is calculated from it."""
        edits = []
        for call in calls:
            whole: ast.expr = call
            for above in self._source.above(call):
                if not self._calculates(above, whole):
                    break
                whole = above
            edits.append(self._source.replace(whole, self._seed))
        return list(dict.fromkeys(edits))

    def _calculates(self, node: ast.AST, part: ast.expr) -> TypeGuard[ast.expr]:
        """Whether a node makes another number, or text, of one of its parts: `int(...) % 2**32`."""
        if isinstance(node, ast.Call):
            owner = node.func.value if isinstance(node.func, ast.Attribute) else node.func
            return part is node.func or self._names.builtin(owner) is not None
        return isinstance(node, ast.BinOp | ast.UnaryOp | ast.Attribute | ast.Subscript)


def seed_argument(call: ast.Call) -> ast.expr | None:
    """Return the argument of a call that is its seed."""
    if call.args:
        return call.args[0]
    return next((one.value for name in _SEED_ARGUMENTS if (one := keyword(call, name))), None)
