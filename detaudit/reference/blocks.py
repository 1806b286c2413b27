"""Find, add and remove the blocks of a lock, and hold a run against the block for its environment."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from detaudit.model.lock import Block, Entry, Lock, LockedTarget
from detaudit.model.plan import SEEDED, Target
from detaudit.model.result import ReferenceComparison, ReferenceState
from detaudit.reference.environments import differing
from detaudit.reference.hold import Held, Pair, hold
from detaudit.reference.wording import where


def locked_target(target: Target, seed: int, lock: Path) -> LockedTarget:
    """Give the name and conditions by which a lock knows a target, whatever folder detaudit is run in."""
    name = target.name
    if target.path is not None:
        relative = os.path.relpath(target.path.absolute(), lock.absolute().parent)
        name = Path(relative).as_posix() + (f":{target.attribute}" if target.attribute else "")
    return LockedTarget(name, target.args, seed if target.kind in SEEDED else None)


def blocks_for(lock: Lock, target: LockedTarget) -> tuple[Block, ...]:
    """List the blocks of a lock for a target, in all environments."""
    return tuple(block for block in lock.blocks if block.target == target)


def with_block(lock: Lock, block: Block, *, alone: bool = False) -> Lock:
    """Give the lock with `block` in the place of the block for the same target and environment.

    With `alone`, `block` also replaces the blocks of this target for all other environments.
    """
    others = (
        one
        for one in lock.blocks
        if one.target != block.target or (one.environment != block.environment and not alone)
    )
    return replace(lock, blocks=(*others, block))


def without(lock: Lock, targets: Iterable[LockedTarget]) -> Lock:
    """Give the lock without the blocks of these targets."""
    gone = set(targets)
    return replace(lock, blocks=tuple(block for block in lock.blocks if block.target not in gone))


def nearest(blocks: Sequence[Block], environment: Mapping[str, str]) -> Block:
    """Find the block whose environment differs least from `environment`. `blocks` must not be empty."""
    return min(blocks, key=lambda block: len(differing(block.environment, environment)))


@dataclass(frozen=True, slots=True)
class Standing:
    """The result of holding a run against a lock."""

    reference: ReferenceComparison
    first: Pair | None
    """The first entry that differs; None if no entry differs."""


def stand(
    lock: Lock,
    target: LockedTarget,
    environment: Mapping[str, str],
    ours: Sequence[Entry],
    *,
    name: str,
    steps: int | None = None,
    tolerance: float | None = None,
) -> Standing:
    """Hold a run against the block for its environment, or else the nearest; the lock must have the target.

    `environment` is what the run's bits hold for (`environments.held_for`), `name` what the lock is called;
    `steps` limits how many steps are held. Without a tolerance, a lock for another environment says nothing.
    """
    block = nearest(blocks_for(lock, target), environment)
    others = differing(block.environment, environment)
    held = _hold(block, ours, steps, tolerance)
    reference = _reference(held, name, tolerance)
    if others and tolerance is None:
        reference = replace(reference, state=ReferenceState.NOT_COMPARABLE)
    return Standing(replace(reference, environment=others), held.first)


def _hold(block: Block, ours: Sequence[Entry], steps: int | None, tolerance: float | None) -> Held:
    limit = block.steps if steps is None else min(steps, block.steps)
    there = [entry for entry in block.entries if entry.step < limit]
    return hold(there, [entry for entry in ours if entry.step < limit], tolerance)


def _reference(held: Held, name: str, tolerance: float | None) -> ReferenceComparison:
    return ReferenceComparison(
        kind="lock",
        name=name,
        state=held.state,
        commit=None,
        difference=held.difference,
        first=None if held.first is None else where(held.first, (name, "1")),
        differing=held.differing,
        compared=held.compared,
        relative=held.relative,
        tolerance=tolerance,
        only_there=held.only_there,
        only_here=held.only_here,
    )


def gone(lock: Lock, path: Path) -> list[LockedTarget]:
    """List the targets of a lock at `path` whose file no longer exists. Modules are not looked for."""
    folder = path.absolute().parent
    targets = dict.fromkeys(block.target for block in lock.blocks)
    files = {target: target.name.partition(":")[0] for target in targets}
    return [one for one, file in files.items() if file.endswith(".py") and not (folder / file).exists()]
