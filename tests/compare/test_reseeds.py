"""Generators that are set back within a training, and those that are seeded anew for a good reason."""

from __future__ import annotations

import textwrap

import pytest

from detaudit.diagnose.reseeding import read_reseeds

TRAINING = """
    import random
    import numpy, torch
    from torch import nn

    x = torch.randn(12, 4, generator=torch.Generator().manual_seed(5))

    SEEDS = (torch.manual_seed, numpy.random.seed, random.seed)

    def train(between, epochs=3, lr=0.1, begin=None, net=None):
        random.seed(0); numpy.random.seed(0); torch.manual_seed(0)
        net = net or nn.Sequential(nn.Linear(4, 8), nn.Dropout(), nn.Linear(8, 1))
        if begin is not None:
            net.load_state_dict(begin)
        optimizer = torch.optim.SGD(net.parameters(), lr=lr)
        for epoch in range(epochs):
            for rows in torch.arange(12).split(4):
                noise = float(numpy.random.rand() + random.random())
                optimizer.zero_grad()
                net(x[rows] + noise).pow(2).mean().backward()
                optimizer.step()
            between(epoch, net)

    def nothing(epoch, net):
        pass

"""

SETS_BACK = {
    "numpy": "train(lambda epoch, net: numpy.random.seed(42))",
    "python": "train(lambda epoch, net: random.seed(42))",
    "torch": "train(lambda epoch, net: torch.manual_seed(42))",
}
RIGHTLY = {
    "no seed but the first": "train(nothing)",
    "another seed in each epoch": "train(lambda epoch, net: [seed(epoch + 1) for seed in SEEDS])",
    "the state is put back": """
        def metric(epoch, net):
            state = numpy.random.get_state(), random.getstate()
            numpy.random.seed(42); random.seed(42)
            numpy.random.rand(7)
            numpy.random.set_state(state[0]); random.setstate(state[1])
            with torch.random.fork_rng():
                torch.manual_seed(42)
                torch.rand(3)
        train(metric)
    """,
    "a generator of its own": """
        def metric(epoch, net):
            numpy.random.default_rng(42).random(), random.Random(42).random()
            torch.rand(3, generator=torch.Generator().manual_seed(42))
        train(metric)
    """,
    "another training begins": "for _ in range(3): train(nothing)",
    "the same model is trained anew": """
        net = nn.Sequential(nn.Linear(4, 8), nn.Dropout(), nn.Linear(8, 1))
        begin = {name: value.clone() for name, value in net.state_dict().items()}
        for lr in (0.1, 0.01): train(nothing, lr=lr, begin=begin, net=net)
    """,
}


@pytest.fixture
def reseeds(record_here):
    def found(program):
        source = textwrap.dedent(TRAINING) + textwrap.dedent(program)
        return read_reseeds(record_here(lambda: exec(compile(source, "program", "exec"), {})))  # noqa: S102 - ours

    return found


@pytest.mark.parametrize("generator", SETS_BACK)
def test_a_generator_that_an_epoch_sets_back_is_found(reseeds, generator):
    (found,) = reseeds(SETS_BACK[generator])
    assert found.generator == generator
    assert (found.first, found.again) == (4, 7)


@pytest.mark.parametrize("program", RIGHTLY.values(), ids=RIGHTLY.keys())
def test_one_that_is_seeded_anew_for_a_good_reason_is_not(reseeds, program):
    assert reseeds(program) == ()
