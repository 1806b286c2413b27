"""What is known of runs that were looked at closely, when they are held against runs that were not."""

from contextlib import ExitStack

from detaudit.compare.compare import compare
from detaudit.diagnose.zoom import values_of
from detaudit.trace.reader import TraceReader

TRAINS = """
    import torch
    torch.manual_seed({seed})
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 1))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for step in range(6):
        net(torch.randn(4, 3)).pow(2).mean().backward()
        optimizer.step()
        optimizer.zero_grad()
        print(net(torch.ones(1, 3)).item())
"""


def test_values_of_whole_runs_and_of_closer_runs_that_end_early_can_be_compared(run_program):
    """Equal runs have equal last values, whatever was recorded of them; runs with other seeds have others."""
    window = (2, 3)

    def outcome(seed, **plan):
        return run_program(TRAINS.format(seed=seed), **plan)

    outcomes = [
        outcome(0),
        outcome(1),
        outcome(0, level="op", window=window, steps=window[1], ledger=True),
        outcome(1, level="op", window=window, steps=window[1], ledger=True),
    ]
    with ExitStack() as stack:
        readers = [stack.enter_context(TraceReader(one.trace)) for one in outcomes]
        first = compare(readers[0], readers[1]).first
        values = list(values_of(readers, first, window))

    assert None not in {value for one in values for value in (one.there, one.last)}
    assert values[0] == values[2]
    assert values[1] == values[3]
    assert values[0].last != values[1].last


PREVIEWS = TRAINS.replace(
    "print(net(torch.ones(1, 3)).item())", "print(net(torch.full((1, 3), {preview}.0)).item())"
)


def test_what_reaches_no_weight_makes_no_pair_of_runs_count_as_different_at_the_end(run_program):
    """Runs that differ in a preview alone, which may be left out of account, have equal last values."""
    outcomes = [run_program(PREVIEWS.format(seed=0, preview=number)) for number in (1, 2)]
    with ExitStack() as stack:
        readers = [stack.enter_context(TraceReader(one.trace)) for one in outcomes]
        values = list(values_of(readers, compare(*readers).first, (0, 3)))

    assert values[0].there != values[1].there
    assert values[0].last == values[1].last is not None
