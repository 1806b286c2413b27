"""Which of an operator's arguments and results are values, by its schema."""

import pytest
import torch

from detaudit.record.schema import make_plan

aten = torch.ops.aten


def read(operator):
    """Names of the arguments that are digested before the call."""
    return [name for _, name in make_plan(operator).read]


@pytest.mark.parametrize(
    ("operator", "overwritten"),
    [
        (aten.copy_.default, "self"),
        (aten.fill_.Scalar, "self"),
        (aten.zero_.default, "self"),
        (aten.normal_.default, "self"),
        (aten.uniform_.default, "self"),
        (aten.bernoulli_.float, "self"),
        (aten.add.out, "out"),
        (aten.mm.out, "out"),
    ],
)
def test_the_old_content_of_what_is_overwritten_is_not_read(operator, overwritten):
    """A write-only argument holds whatever memory held before: it is no input."""
    assert overwritten not in read(operator)


def test_what_is_read_and_written_is_both():
    """An in-place addition reads its target, and the target is its result."""
    plan = make_plan(aten.add_.Tensor)

    assert "self" in read(aten.add_.Tensor)
    assert plan.results


@pytest.mark.parametrize(
    "operator", [aten.empty.memory_format, aten.new_empty.default, aten.empty_strided.default]
)
def test_fresh_memory_is_no_result(operator):
    """What `empty` gives is memory as it was found."""
    assert not make_plan(operator).results
    assert make_plan(aten.zeros.default).results


def test_the_padding_of_ctc_loss_is_no_result():
    """The second result of _ctc_loss has uninitialised padding; the first is a value."""
    assert make_plan(aten._ctc_loss.default).left_out == {1}


@pytest.mark.parametrize(
    "operator", [aten.view.default, aten.t.default, aten.detach.default, aten.select.int]
)
def test_views_are_not_digested(operator):
    """A view changes no bit of its base, and a view of fresh memory would be garbage."""
    assert make_plan(operator).skip
    assert not make_plan(aten.clone.default).skip


@pytest.mark.parametrize(
    "operator", [aten._foreach_add_.List, aten._fused_adam_.default, aten._foreach_mul_.Scalar]
)
def test_optimizers_that_return_nothing_show_what_they_changed(operator):
    """For-each and fused steps return None: the arguments that they write are their results."""
    assert "self" in [name for _, name in make_plan(operator).written]


def test_operators_that_draw_are_known():
    """An operator that draws takes the generator's state as an input."""
    assert make_plan(aten.bernoulli_.float).draws
    assert make_plan(aten.randperm.generator).draws
    assert not make_plan(aten.relu.default).draws


@pytest.mark.parametrize("operator", [aten.normal_.default, aten.zero_.default, aten.zeros_like.default])
def test_the_form_of_what_is_overwritten_is_read(operator):
    """Where only shape and dtype of an argument enter the result, these are an input all the same."""
    assert [name for _, name in make_plan(operator).formed] == ["self"]


def test_the_form_of_what_is_resized_is_not_read():
    """What is resized, and an `out=` that is, may have had any form."""
    assert not make_plan(aten.resize_.default).formed
    assert not make_plan(aten.add.out).formed
