"""Plain words for what a lock has: entries, targets, differences."""

from __future__ import annotations

import math
import shlex

from detaudit.model.lock import BEFORE, EXACT, Entry, LockedTarget
from detaudit.model.result import Origin
from detaudit.reference.entries import COUNTS, ORDER
from detaudit.reference.hold import Pair


def described(entry: Entry) -> str:
    """Name an entry in a few words, without an article: `initial weights of Net.fc1`."""
    when = "initial " if entry.step == BEFORE else ""
    what = entry.what.removeprefix(EXACT)
    integers = " (integers)" if what != entry.what and what not in {ORDER, COUNTS} else ""
    return when + what + (f" of {entry.layer}" if entry.layer else "") + integers


def told(pair: Pair, name: str) -> str:
    """Say in one sentence how a run differs from the reference of that name."""
    what = described(pair.entry)
    if pair.there is None:
        return f"the run has {what}, {name} does not"
    if pair.here is None:
        return f"{name} has {what}, the run does not"
    ours, theirs = pair.here.sketch, pair.there.sketch
    if ours is not None and theirs is not None and ours.count != theirs.count:
        return f"the run has {ours.count} numbers in the {what}, {name} has {theirs.count}"
    size = "" if math.isnan(pair.relative) else f", by about {pair.relative:.1e} (relative)"
    return f"the run differs from {name} in the {what}{size}"


def where(pair: Pair, runs: tuple[str, str]) -> Origin:
    """Say where a run differs from its reference, for a result; `runs` names the reference, then the run."""
    entry = pair.entry
    root, _, module = entry.layer.partition(".")
    is_layer = not entry.what.removeprefix(EXACT).startswith("batch")
    return Origin(
        run=runs,
        step=max(entry.step, 0),
        phase=entry.phase.value,
        module=module if is_layer and root else None,
        op=None,
        event=described(entry),
        root=root if is_layer else "",
        kind="structure" if pair.structural else "value",
    )


def shown(target: LockedTarget) -> str:
    """Name a target as the command line would have it."""
    seed = f" (seed {target.seed})" if target.seed else ""
    return target.name + (f" -- {shlex.join(target.args)}" if target.args else "") + seed
