"""Whole audits whose answer needs more than two runs of one kind."""

import textwrap
from pathlib import Path

import pytest

from detaudit.diagnose.audit import audit
from detaudit.model.plan import TargetRef
from detaudit.model.result import Verdict
from detaudit.options import Settings
from detaudit.run.progress import Silence

# No optimizer: importing what torch.optim needs would double the time of each process.
PRODUCT = """
    import torch
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.rand(40) + 0.5)
    for _ in range(3):
        weight.grad = None
        {loss}.backward()
        weight.data -= 1e-3 * weight.grad
"""

RACE = """
    import os, torch
    torch.manual_seed(0)
    net = torch.nn.Linear(3, 1)
    runs = int(open("count").read()) if os.path.exists("count") else 0
    open("count", "w").write(str(runs + 1))
    for step in range(3):
        x = torch.ones(4, 3) * (1 + (step == 1 and runs in {runs}))
        loss = net(x).pow(2).mean()
        net.zero_grad(); loss.backward()
        with torch.no_grad(): [p.sub_(p.grad, alpha=0.1) for p in net.parameters()]
"""


@pytest.fixture
def check(tmp_path, monkeypatch):
    """Audit a program given by its source."""
    monkeypatch.chdir(tmp_path)

    def checked(source, **settings):
        Path("program.py").write_text(textwrap.dedent(source))
        return audit(TargetRef("program.py"), Settings(**settings), Silence())

    return checked


@pytest.mark.parametrize(("loss", "noticed"), [("weight.prod()", True), ("weight.sum()", False)])
def test_bits_that_looking_changes_are_told(check, loss, noticed):
    """Under a dispatch mode the backward of `prod` takes another path: noticed, and no fault."""
    result = check(PRODUCT.format(loss=loss), level="op")

    assert result.verdict is Verdict.REPRODUCIBLE
    assert ("observer-effect" in [notice.id for notice in result.notices]) == noticed


def test_a_difference_that_does_not_come_back_keeps_its_place(check):
    """Where closer runs agree, the finding stays, its rate counts them, and a notice says so."""
    result = check(RACE.replace("{runs}", "{1}"), diagnose=False)
    (finding,) = result.findings

    assert result.verdict is Verdict.NOT_REPRODUCIBLE
    assert (finding.origin.step, finding.origin.phase) == (1, "data")
    assert finding.rate == {"differs": 1, "pairs": 3}
    assert "operator-not-named" in [notice.id for notice in result.notices]


def test_the_first_of_several_different_runs_is_told(check):
    """With three runs of which the last differs, both pairs count, and the one that differs is shown."""
    result = check(RACE.replace("{runs}", "{2}"), runs=3, level="layer")
    (finding,) = result.findings

    assert finding.origin.run == ("1", "3")
    assert finding.rate == {"differs": 1, "pairs": 2}
    assert result.compared.pairs == 2


def test_draws_that_reach_nothing_are_a_notice(check):
    """A batch that carries the time at which it was made is reproducible, with a notice."""
    source = """
        import time, torch
        from torch.utils.data import DataLoader
        class Timed(torch.utils.data.Dataset):
            def __len__(self): return 8
            def __getitem__(self, i): return torch.full((3,), float(i)), time.time()
        torch.manual_seed(0)
        net = torch.nn.Linear(3, 1)
        for x, _ in DataLoader(Timed(), batch_size=4):
            loss = net(x).pow(2).mean()
            net.zero_grad(); loss.backward()
            with torch.no_grad(): [p.sub_(p.grad, alpha=0.1) for p in net.parameters()]
    """
    result = check(source)

    assert result.verdict is Verdict.REPRODUCIBLE
    assert "harmless-difference" in [notice.id for notice in result.notices]


def test_an_evaluation_that_draws_unseeded_noise_is_a_fault(check):
    """The training agrees, but what an evaluation gives does not: not reproducible, in the phase eval."""
    source = """
        import numpy, torch
        torch.manual_seed(0)
        net = torch.nn.Linear(3, 1)
        for step in range(3):
            loss = net(torch.randn(4, 3)).pow(2).mean()
            net.zero_grad(); loss.backward()
            with torch.no_grad(): [p.sub_(p.grad, alpha=0.1) for p in net.parameters()]
            net.eval()
            with torch.no_grad():
                net(torch.from_numpy(numpy.random.rand(4, 3)).float())
            net.train()
    """
    result = check(source, level="layer")

    assert result.verdict is Verdict.NOT_REPRODUCIBLE
    assert result.findings[0].origin.phase == "eval"


def test_an_order_that_comes_again_in_each_epoch_is_a_notice(check):
    """A loader whose generator is seeded anew for each epoch: reproducible, and hardly what was meant."""
    source = """
        import torch
        from torch.utils.data import DataLoader, TensorDataset
        net = torch.nn.Linear(3, 1)
        torch.nn.init.ones_(net.weight); torch.nn.init.zeros_(net.bias)
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        loader = DataLoader(TensorDataset(torch.ones(40, 3)), batch_size=20, shuffle=True)
        for epoch in range(2):
            torch.manual_seed(0)
            for (x,) in loader:
                loss = net(x).pow(2).mean()
                optimizer.zero_grad(); loss.backward(); optimizer.step()
    """
    result = check(source, level="layer")

    assert result.verdict is Verdict.REPRODUCIBLE
    assert "epochs-same-order" in [notice.id for notice in result.notices]
