"""Recording begins when torch is really imported, whoever asked for it before, or the run says it did not."""

from __future__ import annotations

import pytest

from detaudit.compare.result import shortcomings
from detaudit.trace.reader import TraceReader

TRAINING = """
def train():
    import torch

    torch.manual_seed(0)
    net = torch.nn.Linear(3, 1)
    for step in range(2):
        net.zero_grad()
        net(torch.randn(4, 3)).square().mean().backward()
        with torch.no_grad():
            for parameter in net.parameters():
                parameter -= 0.1 * parameter.grad
"""
ASKED = """
import importlib.util
assert importlib.util.find_spec("torch") is not None
from training import train
train()
"""
LAZY = """
import importlib.util, sys
spec = importlib.util.find_spec("torch")
spec.loader = importlib.util.LazyLoader(spec.loader)
sys.modules["torch"] = torch = importlib.util.module_from_spec(spec)
spec.loader.exec_module(torch)
assert "torch._C" not in sys.modules
from training import train
train()
"""
BY_A_LIBRARY = """
import importlib.metadata, importlib.util, pkgutil
if importlib.util.find_spec("torch") and importlib.metadata.version("torch"):
    assert pkgutil.get_data("torch", "version.py")
from training import train
train()
"""
SPAWNED = """
import importlib.util, multiprocessing
importlib.util.find_spec("torch")
from training import train
if __name__ == "__main__":
    process = multiprocessing.get_context("spawn").Process(target=train)
    process.start()
    process.join()
    assert process.exitcode == 0
"""
PAST_THE_IMPORT_SYSTEM = """
import importlib.util, os, sys
folder = next(os.path.join(path, "torch") for path in sys.path if os.path.isdir(os.path.join(path, "torch")))
file = os.path.join(folder, "__init__.py")
spec = importlib.util.spec_from_file_location("torch", file, submodule_search_locations=[folder])
sys.modules["torch"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules["torch"])
from training import train
train()
"""


@pytest.fixture
def begun(run_program, tmp_path):
    """Run a program that has a training beside it; give its outcome, its steps, and its shortcomings."""
    (tmp_path / "training.py").write_text(TRAINING)

    def run(source):
        outcome = run_program(source, "step")
        assert outcome.exit_code == 0, outcome.stderr.read_text()
        assert outcome.trace is not None
        with TraceReader(outcome.trace) as reader:
            steps = sum(reader.steps_completed(stream.id) for stream in reader.streams)
            return outcome, steps, list(shortcomings("1", reader))

    return run


@pytest.mark.parametrize(
    "source",
    [ASKED, LAZY, BY_A_LIBRARY, SPAWNED],
    ids=["asked for", "lazy", "asked for its data", "in a spawned process"],
)
def test_a_program_that_asks_for_torch_first_is_recorded(begun, source):
    """Asking whether torch is installed, or importing it lazily, takes nothing from the recording."""
    outcome, steps, short = begun(source)
    assert (outcome.problem, steps, short) == (None, 2, [])


def test_a_program_that_trains_unseen_is_told_so(begun):
    """Where torch was loaded and recording never began, that is the reason, not that nothing is trained."""
    outcome, steps, short = begun(PAST_THE_IMPORT_SYSTEM)
    assert "recording never began" in outcome.problem
    assert steps == 0
    assert short == [f"run 1 was not recorded completely: {outcome.problem}"]


def test_a_program_without_torch_has_no_problem(run_program):
    """A program that only asks for torch leaves no trace and no word."""
    outcome = run_program("import importlib.util\nassert importlib.util.find_spec('torch')\n")
    assert (outcome.trace, outcome.problem) == (None, None)
