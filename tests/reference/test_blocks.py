"""Blocks of a lock: found, put in, taken out, and runs held against them."""

from __future__ import annotations

from pathlib import Path

import pytest

from detaudit.digest.algorithm import ALGORITHM
from detaudit.model.lock import Lock, LockedTarget
from detaudit.model.plan import TargetRef
from detaudit.model.result import ReferenceState
from detaudit.reference.blocks import (
    blocks_for,
    gone,
    locked_target,
    nearest,
    stand,
    with_block,
    without,
)
from detaudit.targets.find import find_target
from tests.locks import HELD, block, entry

TRAIN = LockedTarget("train.py")
ELSEWHERE = {**HELD, "threads": "8"}
FAR = {**HELD, "threads": "8", "cpu": "AMD"}


def lock(*blocks):
    return Lock(ALGORITHM, blocks)


def against(ours, *blocks, environment=HELD, **options):
    return stand(lock(*blocks), TRAIN, environment, ours, name="my.lock", **options)


def test_a_block_takes_the_place_of_the_one_for_its_environment_only():
    here, there, other = block(), block(environment=ELSEWHERE), block(name="b.py")
    new = block(entry("new"))
    assert set(map(id, with_block(lock(here, there, other), new).blocks)) == set(map(id, (there, other, new)))
    assert with_block(lock(here, there, other), new, alone=True).blocks == (other, new)
    assert with_block(lock(), new).blocks == (new,)


def test_arguments_and_seed_make_another_target():
    blocks = (block(), block(args=("--fast",)), block(seed=1))
    assert blocks_for(lock(*blocks), TRAIN) == blocks[:1]
    assert blocks_for(lock(*blocks), LockedTarget("train.py", seed=1)) == blocks[2:]
    assert without(lock(*blocks), [TRAIN]).blocks == blocks[1:]


def test_the_nearest_environment_has_the_fewest_differences():
    assert nearest([block(environment=FAR), block(environment=ELSEWHERE)], HELD).environment == ELSEWHERE


def test_a_target_is_named_from_the_folder_of_the_lock(tmp_path, monkeypatch):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "net.py").write_text("def train(): ...\n")
    names = set()
    for folder, text, place in (
        (tmp_path, "models/net.py:train", "detaudit.lock"),
        (tmp_path / "models", "net.py:train", "../detaudit.lock"),
        (tmp_path / "models", "./net.py:train", str(tmp_path / "detaudit.lock")),
    ):
        monkeypatch.chdir(folder)
        names.add(locked_target(find_target(TargetRef(text)), 3, Path(place)))
    assert names == {LockedTarget("models/net.py:train", seed=3)}


def test_a_script_has_no_seed_and_a_module_has_its_own_name(tmp_path, monkeypatch):
    (tmp_path / "train.py").write_text("x = 1\n")
    monkeypatch.chdir(tmp_path)
    script = find_target(TargetRef("train.py", args=("--fast",)))
    module = find_target(TargetRef("train", module=True))
    assert locked_target(script, 3, Path("a.lock")) == LockedTarget("train.py", ("--fast",))
    assert locked_target(module, 3, Path("a.lock")) == LockedTarget("-m train")


def test_targets_whose_file_is_gone_are_found(tmp_path):
    (tmp_path / "here.py").write_text("")
    names = ("here.py", "here.py:train", "gone.py", "gone.py::test_it", "-m gone", "pkg.gone:train", "a name")
    held = lock(*(block(name=name) for name in names))
    assert [one.name for one in gone(held, tmp_path / "detaudit.lock")] == ["gone.py", "gone.py::test_it"]


def test_a_run_is_held_against_the_block_for_its_environment():
    standing = against([entry()], block(entry(size=0.5), environment=ELSEWHERE), block())
    assert (standing.reference.state, standing.reference.environment) == (ReferenceState.EQUAL, {})
    assert (standing.reference.kind, standing.reference.name, standing.first) == ("lock", "my.lock", None)


@pytest.mark.parametrize("ours", [entry(), entry(size=0.5)])
def test_a_lock_for_another_environment_says_nothing_even_if_the_bits_agree(ours):
    reference = against([ours], block(environment=ELSEWHERE)).reference
    assert reference.state is ReferenceState.NOT_COMPARABLE
    assert reference.environment == {"threads": ("8", "2")}


@pytest.mark.parametrize(
    ("size", "state"),
    [
        (0.0, ReferenceState.EQUAL),
        (3e-7, ReferenceState.WITHIN_TOLERANCE),
        (2e-2, ReferenceState.DIFFERS),
    ],
)
def test_with_a_tolerance_numbers_are_compared_with_the_nearest_environment(size, state):
    blocks = (block(environment=FAR), block(environment=ELSEWHERE))
    reference = against([entry(size=size)], *blocks, tolerance=1e-3).reference
    assert (reference.state, reference.environment) == (state, {"threads": ("8", "2")})
    assert reference.tolerance == 1e-3


def test_only_the_steps_that_both_are_to_have_are_held():
    held = block(entry(), entry(step=1, size=0.5), steps=2)
    ours = [entry(), entry(step=1), entry(step=2)]
    assert against(ours, held).reference.state is ReferenceState.DIFFERS
    assert against(ours, held, steps=1).reference.state is ReferenceState.EQUAL
    assert against(ours, held, steps=9).reference.compared == 2


def test_the_first_difference_is_named_by_step_phase_and_layer():
    held = block(entry(), entry(step=1, layer="Net.encoder.0"), steps=2)
    reference = against([entry(), entry(step=1, layer="Net.encoder.0", size=0.02)], held).reference
    first = reference.first
    assert (first.step, first.phase, first.root, first.module) == (1, "optimizer", "Net", "encoder.0")
    assert (first.event, first.kind, first.run) == ("weights of Net.encoder.0", "value", ("my.lock", "1"))
    assert (reference.differing, reference.compared, reference.difference) == (1, 2, "numeric")
