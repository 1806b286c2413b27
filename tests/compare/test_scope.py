"""Whether a difference reaches the training: programs run twice here, with one number changed."""

from __future__ import annotations

import textwrap
from dataclasses import replace

import pytest

from detaudit.compare import compare
from detaudit.compare.scope import narrowed, seen_closely, within_scope
from detaudit.model.result import FaultScope, Verdict
from tests.results import differing, equal, finding

TRAINING = """
    import torch
    from torch import nn
    torch.manual_seed(0)
    other = torch.Generator().manual_seed(RUN)
    net = nn.Sequential(nn.Linear(4, 8), nn.{layer}, nn.Linear(8, 1))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    x = torch.randn(12, 4)
    for epoch in range(2):
        for rows in torch.arange(12).split(6):
            optimizer.zero_grad()
            net(x[rows] {noise}).pow(2).mean().backward()
            optimizer.step()
        {between}
    {after}
"""

PREVIEW = "net(x[torch.randint(12, (3,), generator=other)])"
WITHOUT_GRADIENT = f"torch.no_grad()(lambda: {PREVIEW})()"
IN_BACKWARD = f"{PREVIEW}.sum().backward()"
STIRRED = "[p.data.add_(RUN) for p in net.parameters()]"
"""Other weights than the training has left."""


@pytest.fixture
def twice(record_here):
    """Compare two runs of the training, with what is done besides it."""

    def ran(level="layer", *, layer="Tanh()", noise="", between="pass", after="pass"):
        text = TRAINING.format(layer=layer, noise=noise, between=between, after=after)
        source = compile(textwrap.dedent(text), "program", "exec")
        first, second = (
            record_here(lambda run=run: exec(source, {"RUN": run}), level)  # noqa: S102 - ours
            for run in (0, 1)
        )
        return compare(first, second)

    return ran


@pytest.mark.parametrize("level", ["step", "layer"])
@pytest.mark.parametrize("where", ["between", "after"])
def test_an_evaluation_on_other_samples_leaves_the_training_as_it_is(twice, level, where):
    comparison = twice(level, **{where: WITHOUT_GRADIENT})
    assert not comparison.equal
    assert comparison.scope is FaultScope.EVALUATION


@pytest.mark.parametrize("where", ["between", "after"])
def test_so_does_a_preview_for_which_gradients_were_not_switched_off(twice, where):
    assert twice(**{where: PREVIEW}).scope is FaultScope.EVALUATION


def test_what_a_backward_pass_goes_through_is_training(twice):
    assert twice(after=IN_BACKWARD).scope is FaultScope.TRAINING


def test_a_batch_that_differs_is_training(twice):
    assert twice(noise="+ RUN").scope is FaultScope.TRAINING


def test_a_training_that_differs_behind_an_evaluation_that_does_is_training(twice):
    """Samples of the evaluation come first, and the difference in the training only later."""
    comparison = twice(between=WITHOUT_GRADIENT, noise="+ RUN * (epoch > 0)")
    assert comparison.first.step == 2
    assert comparison.scope is FaultScope.TRAINING


def test_an_evaluation_that_moves_running_averages_is_training(twice):
    assert twice(layer="BatchNorm1d(8)", between=WITHOUT_GRADIENT).scope is FaultScope.TRAINING
    assert twice(layer="BatchNorm1d(8)", after=WITHOUT_GRADIENT).scope is FaultScope.TRAINING


def test_one_in_evaluation_mode_moves_none(twice):
    assert (
        twice(layer="BatchNorm1d(8)", after=f"net.eval(); {WITHOUT_GRADIENT}").scope is FaultScope.EVALUATION
    )


def test_weights_that_were_changed_behind_the_training_are_no_evaluation(twice):
    """The same input gives another output: of dropout, or of other weights, which only operators tell."""
    comparison = twice(after=f"{STIRRED}; torch.no_grad()(lambda: net(x))()")
    assert comparison.scope is None


DROPPING = "torch.manual_seed(RUN); torch.no_grad()(lambda: net(x.reshape(3, 4, 4)))()"
NOISE = "torch.manual_seed(RUN); [p.data.add_(torch.randn_like(p)) for p in net.parameters()]"


@pytest.mark.parametrize(
    ("layer", "after", "scope"),
    [
        ("TransformerEncoderLayer(8, 2, 8)", DROPPING, FaultScope.EVALUATION),
        ("Tanh()", f"{STIRRED}; torch.no_grad()(lambda: net(x))()", FaultScope.TRAINING),
        ("Tanh()", f"{NOISE}; torch.no_grad()(lambda: net(x))()", FaultScope.TRAINING),
    ],
    ids=["dropout", "other weights", "noise on the weights"],
)
def test_operators_tell_random_numbers_in_an_evaluation_from_other_weights(twice, layer, after, scope):
    coarse, fine = (twice(level, layer=layer, after=after) for level in ("layer", "op"))
    assert seen_closely(coarse, fine) is scope


def test_dropout_that_is_left_on_is_told_from_other_weights(twice):
    stirred = "torch.manual_seed(RUN); torch.no_grad()(lambda: net(x))()"
    assert twice(layer="Dropout()", after=stirred).scope is FaultScope.EVALUATION


def test_a_program_without_trained_weights_gives_no_evidence_of_equal_ones(record_here):
    source = "import torch; torch.no_grad()(lambda: torch.nn.Identity()(torch.ones(3) * RUN))()"
    first, second = (record_here(lambda run=run: exec(source, {"RUN": run})) for run in (0, 1))  # noqa: S102 - ours
    assert compare(first, second).scope is FaultScope.TRAINING


def test_runs_of_which_only_evaluations_differ_are_equal_where_the_training_is_asked_about(twice):
    evaluation, training = twice(between=WITHOUT_GRADIENT), twice(noise="+ RUN")
    assert narrowed(evaluation, "training").equal
    assert narrowed(evaluation, "training").first is None
    assert narrowed(evaluation, "all") is evaluation
    assert narrowed(training, "training") is training


def test_what_only_evaluations_show_is_a_notice_where_the_training_is_asked_about():
    result = within_scope(differing(scope=FaultScope.EVALUATION), "training")
    assert result.verdict is Verdict.REPRODUCIBLE
    assert result.findings == ()
    assert [notice.id for notice in result.notices] == ["evaluation-differs"]
    assert "train.py:22" in result.notices[0].message


def test_what_the_training_shows_stays_a_fault():
    both = (finding(), finding(scope=FaultScope.EVALUATION))
    result = within_scope(replace(differing(), findings=both), "training")
    assert result.verdict is Verdict.NOT_REPRODUCIBLE
    assert [one.scope for one in result.findings] == [FaultScope.TRAINING]


def test_where_all_is_asked_about_nothing_changes():
    result = differing(scope=FaultScope.EVALUATION)
    assert within_scope(result, "all") is result
    assert within_scope(equal(), "training").notices == ()
