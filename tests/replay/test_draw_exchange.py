"""Runs under a recorder that exchanges its random numbers with another run, by files."""

from __future__ import annotations

import contextlib
import threading

import pytest
import torch
from torch import nn

from detaudit.model.plan import Exchange, Part
from detaudit.model.trace import Level
from detaudit.record.install import recording
from detaudit.record.recorder import StopAfterSteps
from detaudit.record.session import MAIN_TRACE, Session
from detaudit.replay.draws.common import draws_apart, kept_draws, taken_draws
from detaudit.run.listeners import listeners_of
from detaudit.trace.reader import TraceReader


def record(folder, part, program, steps=None):
    """Call a program under a recorder that exchanges its draws; return what it returns."""
    own = folder / part.value
    own.mkdir()
    exchange = Exchange(folder / "draws", part)
    session = Session(str(own), Level.STEP, "test", {}, steps, None, is_main=True, draws=exchange)
    with recording(session, listeners_of(session)), contextlib.suppress(StopAfterSteps):
        return program()


def problems_of(folder, part):
    with TraceReader(folder / part.value / MAIN_TRACE) as reader:
        return reader.info.problems


def test_draws_of_ones_own_are_no_part_of_the_exchange(tmp_path):
    """A layer that is tried out once more between two draws of the program does not shift them."""
    kept = record(tmp_path, Part.KEEPS, lambda: [torch.randn(3), torch.randn(3)])

    def other():
        first = torch.randn(3)
        with draws_apart():
            torch.randn(3)
        with kept_draws() as draws, draws_apart():
            torch.randn(2)
        with taken_draws(draws):
            torch.randn(2)
        return [first, torch.randn(3)]

    taken = record(tmp_path, Part.TAKES, other)

    assert problems_of(tmp_path, Part.TAKES) == ()
    assert all(torch.equal(one, two) for one, two in zip(kept, taken, strict=True))


def in_threads():
    """What the main thread and two others draw, one after the other."""
    drawn = [torch.randn(2)]
    for number in range(2):
        thread = threading.Thread(target=lambda: drawn.append(torch.randn(40)), name=f"side {number}")
        thread.start()
        thread.join()
    return drawn


def test_each_thread_takes_the_numbers_of_its_own(tmp_path):
    """A program's threads keep and take their numbers each for themselves, in whatever order they run."""
    torch.manual_seed(0)
    kept = record(tmp_path, Part.KEEPS, in_threads)
    torch.manual_seed(1)
    taken = record(tmp_path, Part.TAKES, in_threads)

    assert all(torch.equal(one, two) for one, two in zip(kept, taken, strict=True))
    assert problems_of(tmp_path, Part.TAKES) == ()


@pytest.mark.parametrize("program", [lambda: torch.randn(2), lambda: [torch.randn(2), torch.randn(3)]])
def test_the_trace_says_that_two_runs_did_not_draw_alike(tmp_path, program):
    """One draw more or less than the other run's ends in the trace, with the line."""
    three = record(tmp_path, Part.KEEPS, lambda: [torch.randn(2), torch.randn(3), torch.randn(4)])
    assert len(three) == 3
    record(tmp_path, Part.TAKES, program)
    (problem,) = problems_of(tmp_path, Part.TAKES)

    assert "it went on to draw aten.randn.default of" in problem
    assert "test_draw_exchange.py:" in problem


def noisy_steps():
    """Three steps of a training that draws noise in each."""
    layer = nn.Linear(3, 2)
    optimizer = torch.optim.SGD(layer.parameters())
    for _ in range(3):
        layer(torch.randn(2, 3)).sum().backward()
        optimizer.step()


def test_a_run_of_fewer_steps_need_not_take_all(tmp_path):
    """A run that is ended after its steps is not said to have drawn less than one that had more of them."""
    record(tmp_path, Part.KEEPS, noisy_steps)
    record(tmp_path, Part.TAKES, noisy_steps, steps=2)

    assert problems_of(tmp_path, Part.TAKES) == ()


def test_numbers_that_were_not_kept_are_missed(tmp_path):
    """A run that is to take numbers where there are none says so."""
    record(tmp_path, Part.TAKES, lambda: torch.randn(2))

    assert "drew nothing in a thread of this name" in problems_of(tmp_path, Part.TAKES)[0]


def test_a_folder_that_cannot_be_written_does_not_stop_the_program(tmp_path):
    """Where numbers cannot be kept, the program goes on and the trace says so."""
    (tmp_path / "draws").write_text("a file where the folder was to be")

    assert record(tmp_path, Part.KEEPS, lambda: torch.randn(2)).shape == (2,)
    assert "could not be exchanged" in problems_of(tmp_path, Part.KEEPS)[0]


SCRIPT = """
    import torch
    from torch import nn

    class Noisy(torch.utils.data.Dataset):
        def __len__(self):
            return 8

        def __getitem__(self, index):
            return torch.randn(20) + index

    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(20, 24), nn.Dropout(0.5), nn.Linear(24, 2))
    nn.init.normal_(net[0].weight)
    print(net[0].weight.double().sum().item().hex())
    for x in torch.utils.data.DataLoader(Noisy(), 4, num_workers=1):
        print(x.double().sum().item().hex(), torch.randn(99).double().sum().item().hex())
        net(x).sum().backward()
"""


@pytest.mark.skipif(torch.backends.cpu.get_cpu_capability() == "DEFAULT", reason="has no other kernels")
def test_kernels_that_draw_other_numbers_get_the_same(run_program, tmp_path):
    """Under another instruction set, init, noise and a loader's batches are those of the first run."""
    other = {"variables": (("ATEN_CPU_CAPABILITY", "default"),)}
    first = run_program(SCRIPT, "step", draws=Exchange(tmp_path / "draws", Part.KEEPS))
    taking = run_program(SCRIPT, "step", draws=Exchange(tmp_path / "draws", Part.TAKES), **other)
    alone = run_program(SCRIPT, "step", **other)

    with TraceReader(taking.trace) as reader:
        assert reader.info.problems == ()
    assert taking.stdout.read_text() == first.stdout.read_text() != ""
    assert alone.stdout.read_text() != first.stdout.read_text()


class Several(nn.Module):
    """A model whose dropout a GPU would do within three kinds of kernels."""

    def __init__(self):
        super().__init__()
        self.recurrent = nn.LSTM(8, 8, 2, dropout=0.4)
        self.attention = nn.MultiheadAttention(8, 2, dropout=0.3)
        self.drop = nn.Dropout(0.2)

    def forward(self, x):
        x = self.recurrent(x + torch.randn_like(x))[0]
        return self.drop(self.attention(x, x, x, need_weights=False)[0])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("keeper", ["cpu", "cuda"])
def test_a_gpu_and_the_cpu_take_each_others_numbers(tmp_path, keeper):
    """LSTM, attention, dropout and noise are the same on a GPU and the CPU up to rounding, both ways."""
    torch.manual_seed(0)
    model = Several()

    def on(device):
        torch.manual_seed(1)
        result = model.to(device)(torch.ones(6, 3, 8, device=device))
        result.sum().backward()
        return result.detach().cpu()

    taker = "cuda" if keeper == "cpu" else "cpu"
    kept = record(tmp_path, Part.KEEPS, lambda: on(keeper))
    taken = record(tmp_path, Part.TAKES, lambda: on(taker))

    assert problems_of(tmp_path, Part.KEEPS) == problems_of(tmp_path, Part.TAKES) == ()
    torch.testing.assert_close(taken, kept, rtol=1e-3, atol=1e-4)
    assert not torch.allclose(on(taker), kept, rtol=1e-2, atol=1e-2), "without taking, the numbers are others"
