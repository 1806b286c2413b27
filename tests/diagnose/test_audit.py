"""Whole audits whose answer needs more than two runs of one kind."""

import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch

from detaudit.diagnose.audit import audit
from detaudit.diagnose.observer import observer_effect
from detaudit.diagnose.options import AuditOptions
from detaudit.model.plan import TargetRef
from detaudit.model.result import Verdict
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
        return audit(TargetRef("program.py"), AuditOptions(**settings), Silence())

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


EVALUATED = """
    import random, torch
    torch.manual_seed(0)
    net = torch.nn.Linear(3, 1)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    x = torch.randn(20, 3)
    for epoch in range(2):
        for rows in torch.arange(20).split(10):
            optimizer.zero_grad(); net(x[rows]).pow(2).mean().backward(); optimizer.step()
        shown = random.sample(range(20), 2)
        with torch.no_grad():
            print(net(x[shown]))
"""
DECIDING = EVALUATED.replace("print(net(x[shown]))", "x += net(x[shown]).mean()")


def test_a_preview_on_other_samples_is_a_fault_of_the_evaluation_alone(check):
    result = check(EVALUATED)
    (finding,) = result.findings

    assert result.verdict is Verdict.NOT_REPRODUCIBLE
    assert result.training_agrees
    assert (finding.cause, finding.confirmed, finding.scope) == ("unseeded-python", True, "evaluation")
    assert finding.site.line == 10


def test_where_the_training_is_asked_about_it_is_a_notice_and_no_cause_is_looked_for(check):
    result = check(EVALUATED, scope="training")

    assert result.verdict is Verdict.REPRODUCIBLE
    assert result.scope == "training"
    assert "evaluation-differs" in [notice.id for notice in result.notices]
    assert result.extra_runs == 0


def test_an_evaluation_that_decides_something_in_the_training_stays_a_fault(check):
    result = check(DECIDING, scope="training", diagnose=False)

    assert result.verdict is Verdict.NOT_REPRODUCIBLE
    assert [finding.scope for finding in result.findings] == ["training"]


BOTH = EVALUATED.replace("net(x[rows])", "net(x[rows] + random.random() * (epoch > 0))").replace(
    "random.sample(range(20), 2)", "list(__import__('os').urandom(2)); shown = [one % 20 for one in shown]"
)


@pytest.mark.slow
def test_each_of_two_faults_says_what_it_reaches(check):
    result = check(BOTH)

    assert not result.training_agrees
    assert {finding.cause: finding.scope.value for finding in result.findings} == {
        "unseeded-python": "training",
        "os-entropy": "evaluation",
    }


def test_the_line_that_makes_draws_repeat_is_named(check):
    source = RESEEDED.replace("SEED", "42")
    (notice,) = [one for one in check(source).notices if one.id == "draws-repeat"]

    assert "numpy's global generator" in notice.message
    assert "program.py:11 seeds it with 42 again" in notice.message


def test_another_seed_in_each_epoch_repeats_nothing(check):
    result = check(RESEEDED.replace("SEED", "epoch + 1"))

    assert result.verdict is Verdict.REPRODUCIBLE
    assert "draws-repeat" not in [one.id for one in result.notices]


RESEEDED = """
    import numpy as np, torch
    torch.manual_seed(0); np.random.seed(0)
    net = torch.nn.Linear(3, 1)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for epoch in range(3):
        for step in range(3):
            x = torch.tensor(np.random.rand(4, 3)).float()
            optimizer.zero_grad(); net(x).pow(2).mean().backward(); optimizer.step()
        # A metric.
        np.random.seed(SEED)
"""
