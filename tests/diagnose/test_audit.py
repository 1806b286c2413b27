"""Whole audits whose answer needs more than two runs of one kind."""

import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch

from detaudit.diagnose.audit import audit
from detaudit.diagnose.observer import observer_effect
from detaudit.model.plan import TargetRef
from detaudit.model.result import Verdict
from detaudit.options import Settings
from detaudit.run.progress import Silence

pytestmark = pytest.mark.usefixtures("forked")

PRODUCT = """
    import torch
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.rand(40) + 0.5)
    for _ in range(3):
        weight.grad = None
        weight.prod().backward()
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


def test_bits_that_looking_changes_are_told(check):
    """Under a dispatch mode the backward of `prod` takes another path: noticed, and no fault."""
    result = check(PRODUCT, level="op")

    assert result.verdict is Verdict.REPRODUCIBLE
    assert "observer-effect" in [notice.id for notice in result.notices]


@pytest.mark.parametrize(("loss", "noticed"), [("prod", 1), ("sum", 0)])
def test_bits_that_looking_does_not_change_are_not_told(record_here, loss, noticed):
    """That of `sum` does not: run in this process at both levels, it is not noticed."""
    source = compile(textwrap.dedent(PRODUCT.replace("prod", loss)), "program", "exec")
    hooked, watched = (record_here(lambda: exec(source, {}), level) for level in ("layer", "op"))  # noqa: S102 - ours

    assert len(observer_effect(hooked, watched)) == noticed


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


def test_what_differs_or_comes_again_without_being_a_fault_is_a_notice(check):
    """Reproducible, with a notice of each: batches that carry the time at which they were made, and a loader
    whose generator is seeded anew for each epoch, which is hardly what was meant.
    """
    source = """
        import time, torch
        from torch.utils.data import DataLoader
        class Timed(torch.utils.data.Dataset):
            def __len__(self): return 40
            def __getitem__(self, i): return torch.ones(3), time.time()
        net = torch.nn.Linear(3, 1)
        torch.nn.init.ones_(net.weight); torch.nn.init.zeros_(net.bias)
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        loader = DataLoader(Timed(), batch_size=20, shuffle=True)
        for epoch in range(2):
            torch.manual_seed(0)
            for x, _ in loader:
                loss = net(x).pow(2).mean()
                optimizer.zero_grad(); loss.backward(); optimizer.step()
    """
    result = check(source, level="layer")

    assert result.verdict is Verdict.REPRODUCIBLE
    assert {"harmless-difference", "epochs-same-order"} <= {notice.id for notice in result.notices}


def test_an_evaluation_that_draws_unseeded_noise_is_a_fault(audit_here):
    """The training agrees, but what an evaluation gives does not: not reproducible, in the phase eval."""

    def train():
        torch.manual_seed(0)
        net = torch.nn.Linear(3, 1)
        for _ in range(3):
            loss = net(torch.randn(4, 3)).pow(2).mean()
            net.zero_grad()
            loss.backward()
            with torch.no_grad():
                for parameter in net.parameters():
                    parameter.sub_(parameter.grad, alpha=0.1)
            net.eval()
            with torch.no_grad():
                net(torch.from_numpy(np.random.default_rng().random((4, 3))).float())
            net.train()

    result = audit_here(train)

    assert result.verdict is Verdict.NOT_REPRODUCIBLE
    assert result.findings[0].origin.phase == "eval"
