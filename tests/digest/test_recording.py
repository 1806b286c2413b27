"""A run whose digests are computed on a device leaves the trace that the host's digests give."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from detaudit.digest import device as device_module
from detaudit.digest import tensor as tensor_module
from detaudit.digest.algorithm import now
from detaudit.digest.tensor import deferred_digest, deferred_digests, tensor_digest
from detaudit.model.trace import Level
from detaudit.record.install import recording
from detaudit.record.session import MAIN_TRACE, Session
from detaudit.trace.reader import TraceReader
from tests.digest.on_device import ON_GPU

pytestmark = [
    pytest.mark.skipif(ON_GPU, reason="a device is pretended here"),
    # What the interpreter says of 64-bit sums that wrap around, as they should.
    pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning"),
]


@pytest.fixture
def submitted(monkeypatch, as_if_supported, digester):  # noqa: ARG001 - the kernels have to be there
    """Every strided tensor is digested by the kernels, as one on a GPU would be; how many a launch had."""
    launches = []
    submit = digester.submit
    monkeypatch.setattr(digester, "submit", lambda values: (launches.append(len(values)), submit(values))[1])
    monkeypatch.setattr(device_module, "digester_for", lambda _: digester)
    monkeypatch.setattr(tensor_module, "_PLAIN_TYPES", frozenset())
    monkeypatch.setattr(tensor_module, "_has_kernels", lambda tensor: tensor.layout is torch.strided)
    return launches


def train():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.Dropout(0.2), nn.Linear(5, 2))
    optimizer = torch.optim.Adam(model.parameters())
    for _ in range(2):
        loss = model(torch.randn(7, 6)).logsumexp(1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def identities(folder, level):
    """What the steps of a recorded training are compared by."""
    folder.mkdir()
    session = Session(str(folder), level, "a test", {}, steps=None, window=None, is_main=True)
    with recording(session) as recorder:
        train()
    assert not recorder.problems
    with TraceReader(folder / MAIN_TRACE) as reader:
        (stream,) = reader.streams
        steps = [reader.step(stream.id, head.index) for head in reader.heads(stream.id)]
        return [(event.place, event.inputs, event.outputs) for step in steps for event in step.events]


@pytest.mark.parametrize("level", [Level.LAYER, Level.OP])
def test_a_trace_is_the_same_wherever_its_digests_are_computed(tmp_path, request, level):
    on_host = identities(tmp_path / "host", level)
    launches = request.getfixturevalue("submitted")
    on_device = identities(tmp_path / "device", level)

    assert launches
    assert on_device == on_host


def test_values_are_read_when_they_are_seen(submitted):
    """A tensor that changes before the digests are fetched has the digest of what it was."""
    values = torch.arange(500.0)
    expected = tensor_digest(values.clone())
    later = deferred_digest(values)
    values.zero_()

    assert submitted
    assert now(later) == expected != tensor_digest(values)


def test_many_tensors_are_read_by_one_launch(submitted):
    tensors = [torch.arange(float(size)) for size in (3, 700, 0)]

    digests = deferred_digests([*tensors, tensors[1].to_sparse()])

    assert 3 in submitted
    assert [now(digest) for digest in digests[:3]] == [tensor_digest(tensor) for tensor in tensors]
