"""Operators of one step that are called again on what they were given in another run."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from tests.replay.operator_runs import numbers, with_threads


def without_mkldnn(function):
    """The function, without oneDNN's kernels."""

    def called():
        with torch.backends.mkldnn.flags(enabled=False):
            function()

    return called


def both_ways(*calls):
    """Compute each call and its gradients, in one step."""
    outputs = [call() for call in calls]
    torch.autograd.backward(outputs, [numbers(*output.shape).detach() for output in outputs])


def rowwise():
    """Kernels whose rows or tails are cut by the number of threads."""
    long = numbers((1 << 20) + 16)
    both_ways(
        lambda: functional.linear(numbers(32, 8192), numbers(16, 8192)),
        lambda: functional.mish(long),
        lambda: functional.layer_norm(numbers(300, 1031), (1031,), numbers(1031), numbers(1031)),
        lambda: functional.conv2d(numbers(33, 3, 16, 16), numbers(16, 3, 3, 3), numbers(16)),
        lambda: functional.softmax(numbers(301, 1031), dim=-1),
        lambda: functional.batch_norm(numbers(513, 33), None, None, training=True),
    )


def elementwise():
    """Kernels that the number of threads does not reach."""
    rows = numbers(300, 1031)
    both_ways(
        lambda: functional.relu(numbers((1 << 20) + 16)),
        lambda: rows.cumsum(-1),
        lambda: rows.sort(-1).values,
        lambda: rows.topk(5).values,
        lambda: rows.amax(-1),
        lambda: functional.max_pool2d(numbers(16, 8, 33, 33), 3),
        lambda: functional.embedding(torch.arange(500) % 7, numbers(7, 64)),
    )


CUT_EVERYWHERE = {
    "aten.mish.default",
    "aten.mish_backward.default",
    "aten.native_batch_norm.default",
    "aten.native_batch_norm_backward.default",
    "aten.native_layer_norm_backward.default",
}
CUT_ON_SOME_PROCESSORS = {
    "aten.mm.default",
    "aten.convolution_backward.default",
    "aten._softmax_backward_data.default",
}
"""Where libraries below torch choose kernels by the model of the processor (seen on Intel, not on AMD)."""


def test_thread_count_names_the_kernels_that_it_cuts(exchanged):
    """One thread against two: no kernels but those that are known to change with it give other bits."""
    answers = exchanged(with_threads(1, rowwise), with_threads(2, rowwise))
    assert set(answers.changed) >= CUT_EVERYWHERE
    assert set(answers.changed) <= CUT_EVERYWHERE | CUT_ON_SOME_PROCESSORS
    assert answers.changed["aten.mish.default"]["ulp"] == 1.0
    assert answers.changed["aten.mish.default"]["elements"] < 16
    assert not answers.unsaid


def test_thread_count_names_no_kernel_that_it_does_not_reach(exchanged):
    """One thread against two: elementwise kernels, sorts and pools give the same bits and none is named."""
    answers = exchanged(with_threads(1, elementwise), with_threads(2, elementwise))
    assert len(answers.answers) > 20
    assert not answers.changed
    assert not answers.with_key("why")


def fused():
    """What oneDNN computes, and what it does not."""
    both_ways(
        lambda: functional.conv2d(numbers(4, 8, 17, 17), numbers(16, 8, 3, 3)),
        lambda: functional.gelu(numbers(4096)),
        lambda: functional.linear(numbers(32, 64), numbers(16, 64)),
        lambda: functional.relu(numbers(4096)),
        lambda: functional.layer_norm(numbers(30, 64), (64,)),
    )


def test_onednn_names_convolutions_and_gelu_alone(exchanged):
    """With oneDNN against without: convolutions and the exact gelu change, linear and norms do not."""
    answers = exchanged(fused, without_mkldnn(fused))
    assert set(answers.changed) == {
        "aten.convolution.default",
        "aten.convolution_backward.default",
        "aten.gelu.default",
        "aten.gelu_backward.default",
    }


def make_net():
    """A model whose calls hand over views, buffers and lists, and write in place."""
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(inplace=True),
        nn.Flatten(),
        nn.Linear(144, 8),
        nn.GELU(),
    )
    return net, torch.optim.AdamW(net.parameters(), fused=True)


def train(steps=2):
    """Train it."""
    net, optimizer = make_net()
    for step in range(steps):
        batch = torch.arange(2 * 3 * 64).reshape(2, 3, 8, 8).float().cos() + step
        net(batch).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=False)


def unusual():
    """Arguments of every kind: conjugates, sparse and shared memory, lists, complex numbers, no elements."""
    wave = torch.view_as_complex(numbers(100, 100, 2).detach())
    wave.mH @ wave
    wave * (1 + 2j)
    torch.eye(4).to_sparse() @ numbers(4, 4).detach()
    row = numbers(9).detach()
    row[:4].mul_(row[5:])
    row.mul_(row)
    torch._foreach_add_([row, numbers(3).detach()], [row, numbers(3).detach()], alpha=0.5)
    torch.stack([numbers(3).detach().expand(4, 3), numbers(4, 3).detach()])
    torch.cat([torch.zeros(0, 3), numbers(2, 3).detach()])
    numbers(4, 4).detach().bfloat16().float().sum().item()
    functional.scaled_dot_product_attention(*(numbers(1, 2, 5, 8).detach() for _ in range(3)))


@pytest.mark.parametrize("program", [train, unusual, fused])
def test_operators_that_are_called_alone_give_the_bits_of_the_program(exchanged, program):
    """Every operator gives alone what it gave in the program: nothing is named, none left out."""
    answers = exchanged(program, alone=True)
    assert len(answers.answers) > 15
    assert not answers.changed
    assert not answers.with_key("why")
    assert not answers.unsaid


def test_second_run_ends_in_the_bits_of_an_unobserved_one(exchanged):
    """Calling operators again leaves weights, buffers and random numbers of the program as they were."""
    ends = []

    def program():
        net, optimizer = make_net()
        for _ in range(3):
            net(torch.randn(2, 3, 8, 8)).square().mean().backward()
            optimizer.step()
        ends.append([*(value.clone() for value in net.state_dict().values()), torch.rand(3)])

    torch.manual_seed(0)
    program()
    # The step after those that are recorded would end the program.
    exchanged(program, alone=True, step=4)
    exchanged_ends = ends[1:]
    assert len(exchanged_ends) == 2
    for end in exchanged_ends:
        assert all(torch.equal(one, other) for one, other in zip(end, ends[0], strict=True))


def scaled(factor, program=train):
    """The program, with batches that are another by a factor."""

    def called():
        arange = torch.arange
        torch.arange = lambda *args: arange(*args) * factor
        try:
            program()
        finally:
            torch.arange = arange

    return called


def test_other_values_in_the_second_run_are_not_mistaken_for_other_arithmetic(exchanged):
    """Operators that were given other values are called on those of the first run, and none is named."""
    answers = exchanged(train, scaled(3), step=1)
    assert not answers.changed
    assert len(answers.answers) > 30


def test_negative_control_an_operator_that_is_wrong_in_one_run_is_named_alone(exchanged):
    """A kernel that gives other numbers in the second run is named, and no operator that gets its results."""
    library = torch.library.Library("aten", "IMPL")

    def second():
        library.impl("gelu", lambda value, **_: value * 0.5, "CPU")
        train()

    answers = exchanged(train, second)
    library._destroy()
    assert set(answers.changed) == {"aten.gelu.default"}


def test_values_are_taken_in_the_form_of_the_second_run(exchanged):
    """Another dtype or layout in the second run: the same values are given to operators in that form."""

    def program(dtype, layout):
        def called():
            image, weight = numbers(2, 3, 6, 6).detach(), numbers(4, 3, 3, 3).detach()
            image = image.to(dtype).contiguous(memory_format=layout)
            functional.conv2d(image, weight.to(dtype)).relu()

        return called

    first = program(torch.float32, torch.contiguous_format)
    answers = exchanged(first, program(torch.float64, torch.channels_last))
    apart = answers.changed["aten.convolution.default"]
    assert 0 < apart["relative"] < 1e-6
    assert "aten.relu.default" not in answers.changed


def test_content_is_kept_once(exchanged, tmp_path):
    """The bytes that one operator gives and another reads lie on disk once."""

    def program():
        value = numbers(1000).detach()
        for _ in range(20):
            value.neg()

    exchanged(program)
    assert len(list((tmp_path / "values").glob("*.pt"))) < 8
