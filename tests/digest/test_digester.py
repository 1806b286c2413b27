"""What is submitted to a device is digested as it was then, whatever happens before it is collected."""

from __future__ import annotations

import contextlib
import random
import threading

import pytest
import torch

from detaudit.digest import digester as digester_module
from detaudit.digest.algorithm import LEAF_BYTES
from detaudit.digest.device import CapturingError, DeviceDigester
from tests.digest.on_device import BLOCKS, DEVICE, content, digested, truth


@pytest.mark.usefixtures("kernels")
def test_many_submissions_are_collected_by_one_copy(monkeypatch):
    """What is submitted before the first digest is asked for comes back together."""
    digester = DeviceDigester(DEVICE, blocks_per_program=BLOCKS)
    copies, copy = [], torch.Tensor.cpu
    submitted = [[(content(size, size), size)] for size in (5000, 0, 10, 300)]
    laters = [digester.submit([(tensor.to(DEVICE), seed) for tensor, seed in one]) for one in submitted]
    monkeypatch.setattr(torch.Tensor, "cpu", lambda tensor: (copies.append(1), copy(tensor))[1])

    made = [later.resolve() for one in laters for later in one]

    assert len(copies) == 1
    monkeypatch.undo()
    assert made == [truth(*value) for one in submitted for value in one]
    assert digester.submit([]) == []
    digester.collect()


@pytest.mark.usefixtures("kernels")
def test_more_than_the_workspace_holds_is_done_in_parts(monkeypatch):
    """Within one submission, and across several."""
    digester = DeviceDigester(DEVICE, rows=300, blocks_per_program=BLOCKS)
    finished = []
    monkeypatch.setattr(
        digester, "_finish", lambda: (finished.append(1), DeviceDigester._finish(digester))[1]
    )
    values = [
        (content(2 * LEAF_BYTES + 17), 1),
        (content(9), 2),
        (content(200_000), 3),
    ]

    laters = digester.submit([(tensor.to(DEVICE), seed) for tensor, seed in values])
    laters += digester.submit([(tensor.to(DEVICE), seed) for tensor, seed in values[1:]])

    assert [later.resolve() for later in laters] == [truth(*value) for value in values + values[1:]]
    assert len(finished) >= 4
    assert len(digester._rows) == 300 * 8


def test_the_value_is_that_of_the_submission(digester):
    """Whatever becomes of the tensor later, and whether or not it had to be copied."""
    for make in (lambda values: values, lambda values: values[1:], lambda values: values[::2]):
        values = make(content(5000).to(DEVICE))
        expected = truth(values, 1)
        (later,) = digester.submit([(values, 1)])
        values.zero_()

        assert later.resolve() == expected


@pytest.mark.usefixtures("kernels")
def test_a_failed_submission_leaves_the_others_right(monkeypatch):
    """Memory may run out half-way."""
    digester = DeviceDigester(DEVICE, blocks_per_program=BLOCKS)
    values = [(content(2000), 1), (content(20), 2)]

    def fail(_):
        raise MemoryError

    before = digester.submit([(tensor.to(DEVICE), seed) for tensor, seed in values])
    with monkeypatch.context() as patch:
        patch.setattr(digester, "_gather", fail)
        with pytest.raises(MemoryError):
            digester.submit([(content(3000, 3).to(DEVICE), 3), (content(30, 3).to(DEVICE), 3)])
    after = digester.submit([(tensor.to(DEVICE), seed) for tensor, seed in reversed(values)])

    made = [later.resolve() for later in before + after]
    assert made == [truth(*value) for value in values + values[::-1]]


def test_threads_may_submit_side_by_side(digester):
    values = [(content(1000 + number, number), number) for number in range(8)]
    made = {}

    def work(number):
        made[number] = digested(digester, [values[number]])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(values))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert made == {number: [truth(*value)] for number, value in enumerate(values)}


def test_nothing_of_the_program_changes(digester):
    """No random number is drawn, no default changed, no gradient recorded."""
    parameter = torch.nn.Parameter(torch.ones(30, 20, device=DEVICE))
    before = torch.random.get_rng_state(), random.getstate(), parameter._version, torch.get_default_dtype()
    digester.submit([(parameter, 1), (parameter.t(), 2)])[0].resolve()
    after = torch.random.get_rng_state(), random.getstate(), parameter._version, torch.get_default_dtype()

    assert torch.equal(before[0], after[0])
    assert before[1:] == after[1:]
    assert parameter.grad_fn is None


def test_what_cannot_be_read_is_refused(digester):
    """Memory that was freed, or that another device has."""
    freed = torch.ones(1000, device=DEVICE)[10:]
    freed.untyped_storage().resize_(0)

    with pytest.raises(ValueError, match="freed"):
        digester.submit([(freed, 0)])
    with pytest.raises(ValueError, match="meta"):
        digester.submit([(torch.empty(3, device="meta"), 0)])


def test_nothing_is_launched_while_a_graph_is_captured(monkeypatch, digester):
    later = digester.submit([(content(5).to(DEVICE), 0)])[0]
    with monkeypatch.context() as patch:
        patch.setattr(digester, "_stream", object())
        patch.setattr(digester_module, "_current", lambda _: contextlib.nullcontext())
        patch.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)

        for forbidden in (lambda: digester.submit([(content(5).to(DEVICE), 0)]), later.resolve):
            with pytest.raises(CapturingError):
                forbidden()

    assert later.resolve() == truth(content(5), 0)


def test_a_signal_handler_that_digests_does_not_hang(monkeypatch, digester):
    """It may interrupt the digester itself, in the thread that holds the lock."""
    refused = []

    def interrupted(_):
        with pytest.raises(CapturingError, match="signal"):
            digester.submit([(content(5).to(DEVICE), 0)])
        refused.append(1)

    with monkeypatch.context() as patch:
        patch.setattr(digester, "_accumulate", interrupted)
        (later,) = digester.submit([(content(6).to(DEVICE), 0)])

    assert refused
    assert later.resolve() == truth(content(6), 0)
