"""Each audited process has a heap of its own, and a program sees nothing else of that."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

OBJECTS = """
class Thing:
    pass

import gc
from detaudit.run import heap
{before}
things = [Thing() for _ in range(12)]
# Within a pool of Python's allocator: where pools lie is up to the system.
print([things.index(thing) for thing in sorted(things, key=lambda thing: id(thing) % 16_384)])
"""
SEEN = """
import gc, random, sys
from detaudit.run import heap
state, modules, sizes = random.getstate(), set(sys.modules), []
before = gc.get_count()
heap.scatter()
after = gc.get_count()
assert before == after
for _ in range(50):
    heap.scatter()
    sizes.append(sum(map(sys.getsizeof, heap._kept)))
assert max(sizes) < 1_000_000, sizes
assert random.getstate() == state
assert set(sys.modules) == modules
"""
OF_PARAMETERS = """
import torch
from torch import nn

model = nn.Sequential(*(nn.Linear(3, 3) for _ in range(6)))
names = {parameter: name for name, parameter in model.named_parameters()}
print([names[parameter] for parameter in set(names)])
model(torch.ones(1, 3)).sum().backward()
"""


def run(program):
    """Run a program in a fresh process in which nothing else is left to chance; give what it printed."""
    command = [sys.executable, "-c", program]
    environment = {"PATH": os.environ["PATH"], "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "before", ["heap.scatter()", "heap.keep_scattering(); gc.collect()"], ids=["at once", "when collected"]
)
def test_objects_lie_in_another_order_in_each_process(before):
    """Where objects come to lie is a matter of chance, as it is in a program that nobody records."""
    assert len({run(OBJECTS.format(before=before)) for _ in range(10)}) >= 9


def test_without_a_heap_of_its_own_a_process_repeats_itself():
    """There are few orders where only the system moves things: the test before this one can fail."""
    assert len({run(OBJECTS.format(before="")) for _ in range(10)}) <= 5


def test_a_program_sees_nothing_of_it():
    """Generators, imported modules and the garbage collector's counts stay, and little memory is kept."""
    run(SEEN)


@pytest.mark.slow
def test_a_set_of_parameters_has_another_order_in_each_recorded_run(run_program):
    """Where recording begins, what it has taken up of the heap does not make runs alike."""
    orders = {run_program(OF_PARAMETERS).stdout.read_text() for _ in range(5)}
    assert len(orders) >= 4
