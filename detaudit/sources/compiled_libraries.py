"""Libraries written in C, C++ or Rust that draw random numbers, or choose an order, outside Python.

Nothing of that can be seen from here. What can be seen is that the program calls a function of theirs in a
way that leaves the choice to the library. Held by asking for what is the same each time.
"""

from __future__ import annotations

import re
import sys
from importlib import import_module
from types import CodeType
from typing import Any

from detaudit.model.cause import Cause
from detaudit.model.ledger import Act, EntryPair, Fact, LedgerEntry, Whose
from detaudit.model.trace import Site
from detaudit.sources.observation import Naming, Observation
from detaudit.sources.source import Situation, Source, Suspicion
from detaudit.sources.taps import Asked, Taps

NAME = "compiled-libraries"
_UNSEEDED = Fact(Act.DRAWS, Whose.GLOBAL_UNSEEDED)
_SEEDED = Fact(Act.DRAWS, Whose.GLOBAL)
_ORDERS = Fact(Act.ORDERS)
_RACES = Fact(Act.STARTS)
DROPOUT, COMPILED, QUERY = "tokenizers.Tokenizer", "numba.njit", "sqlite3.execute"
_DRAWS_IN_SQL = re.compile(r"\brandom(?:blob)?\s*\(", re.IGNORECASE)
GROUPING = ("group_by", "unique", "partition_by")
SAMPLING = ("sample", "shuffle")
ENCODING = ("encode", "encode_batch", "encode_batch_fast")
VECTORS = {"word2vec": "Word2Vec", "doc2vec": "Doc2Vec", "fasttext": "FastText"}


def _tap(taps: Taps) -> None:
    taps.when_imported("tokenizers", lambda module: _tap_tokenizers(taps, module))
    taps.when_imported("polars", lambda module: _tap_polars(taps, module))
    taps.when_imported("numba.core.dispatcher", lambda module: _tap_numba(taps, module))
    taps.when_imported("sqlite3", lambda module: _tap_sqlite(taps, module))
    for name, kind in VECTORS.items():
        taps.when_imported(f"gensim.models.{name}", _tap_vectors(taps, kind))


def _tap_tokenizers(taps: Taps, module: Any) -> None:
    def encode(original: Any, tokenizer: Any, *args: Any, **kwargs: Any) -> Any:
        dropout = getattr(tokenizer.model, "dropout", None)
        if dropout:
            if taps.holds(NAME, taps.lines.here()):
                tokenizer.model.dropout = None
            taps.note(NAME, DROPOUT, dropout, _UNSEEDED)
        return original(tokenizer, *args, **kwargs)

    for name in ENCODING:
        taps.method(module.Tokenizer, name, encode, asked_by=Asked.PROGRAM)


def _tap_polars(taps: Taps, module: Any) -> None:
    seeded: list[int] = []

    def seed(original: Any, number: int) -> None:
        seeded.append(number)
        original(number)

    taps.function(module, "set_random_seed", seed)
    for kind in (module.DataFrame, module.LazyFrame):
        for name in GROUPING:
            taps.method(kind, name, _grouping(taps, name), asked_by=Asked.PROGRAM)
    for kind in (module.DataFrame, module.Series, module.Expr):
        for name in SAMPLING:
            taps.method(kind, name, _sampling(taps, name, seeded), asked_by=Asked.PROGRAM)


def _grouping(taps: Taps, name: str) -> Any:
    keeps_order = name == "partition_by"

    def call(original: Any, frame: Any, *args: Any, **kwargs: Any) -> Any:
        if not kwargs.get("maintain_order", keeps_order):
            if taps.holds(NAME, taps.lines.here()):
                kwargs["maintain_order"] = True
            taps.note(NAME, f"polars.{name}", None, _ORDERS)
        return original(frame, *args, **kwargs)

    return call


def _sampling(taps: Taps, name: str, seeded: list[int]) -> Any:
    def call(original: Any, owner: Any, *args: Any, **kwargs: Any) -> Any:
        if kwargs.get("seed") is None and not (name == "shuffle" and args):
            if taps.holds(NAME, taps.lines.here()):
                kwargs["seed"] = taps.fixed_number()
            taps.note(NAME, f"polars.{name}", None, _SEEDED if seeded else _UNSEEDED)
        return original(owner, *args, **kwargs)

    return call


def _tap_vectors(taps: Taps, kind: str) -> Any:
    def train(original: Any, model: Any, *args: Any, **kwargs: Any) -> None:
        if kwargs.get("workers", 3) != 1:
            if taps.holds(NAME, taps.lines.here()):
                kwargs["workers"] = 1
            taps.note(NAME, f"gensim.{kind}", None, _RACES)
        original(model, *args, **kwargs)

    # The sentences that it reads may be made by the program as it goes.
    return lambda module: taps.method(
        getattr(module, kind), "__init__", train, asked_by=Asked.PROGRAM, calls_program=True
    )


def _tap_numba(taps: Taps, module: Any) -> None:
    seeded: list[bool] = []

    def compile_(original: Any, dispatcher: Any, *args: Any, **kwargs: Any) -> Any:
        names = _names(dispatcher.py_func.__code__)
        if "random" in names or _draws_by_name(dispatcher.py_func, names):
            if not seeded and taps.holds(NAME, taps.lines.here()):
                _seed_numba(taps)
            if "seed" in names:
                seeded.append(True)
            taps.note(NAME, COMPILED, dispatcher.py_func.__name__, _SEEDED if seeded else _UNSEEDED)
        return original(dispatcher, *args, **kwargs)

    taps.method(module.Dispatcher, "compile", compile_, asked_by=Asked.PROGRAM)


def _tap_sqlite(taps: Taps, module: Any) -> None:
    def execute(original: Any, owner: Any, query: Any, *args: Any) -> Any:
        # The recorder writes its trace with SQLite: most queries are no concern of the program.
        draws = isinstance(query, str) and _DRAWS_IN_SQL.search(query) is not None
        if draws and taps.lines.asked_by_program(sys._getframe(2)):
            taps.note(NAME, QUERY, None, _UNSEEDED)
        return original(owner, query, *args)

    def connect(original: Any, *args: Any, **kwargs: Any) -> Any:
        connection = original(*args, **kwargs)
        # At once: SQLite refuses to have a function replaced while a query is under way.
        if taps.holds(NAME):
            connection.create_function("random", 0, lambda: taps.fixed_number(64) - (1 << 63))
            connection.create_function("randomblob", 1, taps.fixed_bytes)
        return connection

    for kind in (module.Connection, module.Cursor):
        for name in ("execute", "executemany"):
            taps.method(kind, name, execute, calls_program=True)
    for owner in (module, module.dbapi2):
        taps.function(owner, "connect", connect, asked_by=Asked.PROGRAM, calls_program=True)


def _names(code: CodeType) -> frozenset[str]:
    """All names that code uses, that of functions within it too."""
    inner = (one for one in code.co_consts if isinstance(one, CodeType))
    return frozenset(code.co_names).union(*map(_names, inner))


def _draws_by_name(function: Any, names: frozenset[str]) -> bool:
    """Say whether one of the names was imported from a module of random numbers."""
    found = (function.__globals__.get(name) for name in names)
    return any(getattr(one, "__module__", None) in {"random", "numpy.random"} for one in found)


def _seed_numba(taps: Taps) -> None:
    """Give a seed to the generators that compiled code draws from; they are not those of Python and numpy."""
    compiled: Any = import_module("numba._helperlib")
    for state in (compiled.rnd_get_np_state_ptr(), compiled.rnd_get_py_state_ptr()):
        compiled.rnd_seed(state, taps.fixed_number())


_FIXES = {
    DROPOUT: (
        "tokenizers takes no seed: encode each text once with dropout off (tokenizer.model.dropout = None), "
        "or keep the encoded texts in a file"
    ),
    COMPILED: (
        "seed it from within compiled code: call a function @numba.njit def seed(n): np.random.seed(n) "
        "before it; np.random.seed(SEED) outside reaches numpy's generator, not numba's"
    ),
    QUERY: (
        "random() of SQLite takes no seed: fetch the rows in a fixed order (ORDER BY their key), and choose "
        "among them in Python, from a seeded generator"
    ),
    **{f"polars.{name}": f"pass maintain_order=True to {name}(...), or sort the result" for name in GROUPING},
    **{
        f"polars.{name}": f"pass seed=SEED to {name}(...), or call polars.set_random_seed(SEED) before it"
        for name in SAMPLING
    },
    **{
        f"gensim.{kind}": (
            f"pass workers=1 to {kind}(...), beside seed=SEED; gensim also asks for PYTHONHASHSEED=0"
        )
        for kind in VECTORS.values()
    },
}


def _is_open(pair: EntryPair, _situation: Situation) -> bool:
    """Say whether the choice was left to the library."""
    return pair.entry.fact != _SEEDED


def _name(seen: Observation) -> Naming:
    entry = seen.telling(one for one in seen.entries if one.fact != _SEEDED)
    if entry is None:
        return seen.name_bare(Cause.UNSEEDED_LIBRARY)
    return _named(seen, entry)


def _named(seen: Observation, entry: LedgerEntry) -> Naming:
    cause = Cause.THREAD_RACE if entry.act is Act.STARTS else Cause.UNSEEDED_LIBRARY
    return seen.name_at(cause, entry, _words(entry), _FIXES[entry.operation])


def name_draw_on(site: Site | None, seen: Observation) -> Naming | None:
    """Name the draw of a compiled library on a line; None where there is none, or it was seeded.

    The libraries through which the line was reached differ: the entropy is read by compiled code.
    """
    entries = (pair.entry for pair in seen.all_pairs if pair.entry.source == NAME)
    drawing = next((one for one in entries if _same_line(one.site, site) and one.is_unseeded), None)
    return None if drawing is None else _named(seen, drawing)


def _same_line(first: Site | None, second: Site | None) -> bool:
    if first is None or second is None:
        return False
    return (first.file, first.line) == (second.file, second.line)


def _words(entry: LedgerEntry) -> str:
    library = entry.operation.partition(".")[0]
    place = "" if entry.site is None else f" {entry.site.file.rpartition('/')[2]}:{entry.site.line}"
    if entry.act is Act.ORDERS:
        return f"{library} chooses an order outside Python, after{place}: {entry.operation} keeps none"
    if entry.act is Act.STARTS:
        return f"{library} draws outside Python, after{place}: its threads update the same numbers unordered"
    return f"{library} draws outside Python, after{place}: {entry.operation} uses a generator without a seed"


SOURCE = Source(
    name=NAME,
    words="what compiled libraries draw outside Python",
    causes=(Cause.UNSEEDED_LIBRARY, Cause.THREAD_RACE),
    tap=_tap,
    suspicion=Suspicion(79, concerns=_is_open),
    name_fault=_name,
)
