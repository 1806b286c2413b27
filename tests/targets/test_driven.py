"""Driving a model file on another device, in another dtype, in another memory layout, compiled."""

from __future__ import annotations

from collections import UserDict, defaultdict, namedtuple
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

from detaudit.axes.axis import UnfitError
from detaudit.model.trace import Level
from detaudit.record.install import recording
from detaudit.record.session import MAIN_TRACE, Session
from detaudit.replay.draws.common import kept_draws, taken_draws
from detaudit.targets.drive import EXIT_TARGET, train
from detaudit.targets.driven import Driven, missing
from detaudit.trace.reader import TraceReader


class Net(nn.Module):
    """A small network of images that draws noise and drops out."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3)
        self.norm = nn.BatchNorm2d(6)
        self.drop = nn.Dropout(0.3)
        self.out = nn.Linear(6 * 16, 4)
        self.register_buffer("counts", torch.zeros(2, dtype=torch.long))

    def forward(self, images):
        noise = 0.1 * torch.randn(images.shape, device=images.device)
        features = torch.relu(self.norm(self.conv(images + noise)))
        return self.out(self.drop(features.flatten(1)))


class Images(Dataset):
    """Images that are drawn when they are asked for."""

    def __len__(self):
        return 12

    def __getitem__(self, index):
        return torch.rand(3, 6, 6), index % 4


def model_file(**parts):
    """A model file that leaves word of its batches and losses."""
    file = SimpleNamespace(losses=[], images=[])

    def loss_fn(model, batch):
        images, targets = batch
        file.images.append(images)
        loss = nn.functional.cross_entropy(model(images), targets)
        file.losses.append(loss.item())
        return loss

    defaults = {
        "make_model": Net,
        "make_batches": lambda: DataLoader(Images(), batch_size=4),
        "loss_fn": loss_fn,
        "make_optimizer": lambda model: torch.optim.AdamW(model.parameters(), 0.01),
    }
    vars(file).update(defaults | parts)
    return file


def trained(axes, *, seed=0, **parts):
    """Train a model file from a seed and return it."""
    torch.manual_seed(seed)
    file = model_file(**parts)
    train(file, None, axes)
    return file


def refused(capsys, axes, **parts):
    """What is said where a model file cannot be driven so."""
    with pytest.raises(SystemExit) as end:
        trained(axes, **parts)
    assert end.value.code == EXIT_TARGET
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("detaudit: ")
    return line


def test_float64_trains_the_same_model_on_the_same_numbers():
    """With common draws, a float64 run is the float32 run without its rounding; without them, another one."""
    with kept_draws() as draws:
        single = trained({"dtype": "float32"})
    with taken_draws(draws) as problems:
        double = trained({"dtype": "float64"})
    alone = trained({"dtype": "float64"})

    assert not problems
    assert len(single.losses) == 3
    assert double.losses == pytest.approx(single.losses, rel=1e-6)
    assert double.losses != single.losses
    assert alone.losses != pytest.approx(single.losses, rel=1e-3)
    assert double.images[0].dtype is torch.float64
    assert torch.get_default_dtype() is torch.float32


def test_batches_are_made_as_ever():
    """What a dataset draws when it is asked does not depend on the dtype that is tried."""
    single, double = trained({}), trained({"dtype": "float64"})

    assert torch.equal(single.images[0], double.images[0].float())


def test_weights_are_cast_and_integers_left():
    """A model is made as ever and cast then, tied weights still tied; its integers stay integers."""
    torch.manual_seed(0)
    made, model = Net(), Net()
    model.load_state_dict(made.state_dict())
    model.tied = model.out
    Driven({"dtype": "bfloat16"}).place(model)

    assert torch.equal(model.conv.weight, made.conv.weight.bfloat16())
    assert model.counts.dtype is torch.long
    assert model.tied.weight is model.out.weight


Pair = namedtuple("Pair", "first second")  # noqa: PYI024 - a model file may well have one


@dataclass
class Sample:
    """A batch of a class of its own."""

    image: torch.Tensor
    name: str


def test_tensors_are_found_in_nested_batches():
    """Floating-point tensors are cast wherever they are in a batch; all else is handed on as it is."""
    unknown = object()
    packed = nn.utils.rnn.pack_sequence([torch.ones(3, 2), torch.ones(2, 2)])
    batch = {"pair": Pair(torch.ones(2), [torch.ones(2, dtype=torch.int)]), "rest": ("text", 3, unknown)}
    driven = Driven({"dtype": "float64"})
    placed = driven.batch(batch)

    assert placed["pair"].first.dtype is torch.float64
    assert placed["pair"].second[0] is batch["pair"].second[0]
    assert placed["rest"] == ("text", 3, unknown)
    assert driven.batch(packed).data.dtype is torch.float64
    assert driven.batch(Sample(torch.ones(2), "a")).image.dtype is torch.float64
    assert driven.batch(torch.ones(2, dtype=torch.complex64)).dtype is torch.complex128
    assert driven.batch(UserDict(x=torch.ones(2)))["x"].dtype is torch.float64
    assert driven.batch(defaultdict(list, x=torch.ones(2)))["x"].dtype is torch.float64
    assert Driven({"threads": "2"}).batch(batch) is batch


def test_channels_last_reorders_images_and_their_weights():
    """Weights and inputs with channels are laid out channels last; contiguous leaves them as they are."""
    last, plain = trained({"layout": "channels-last"}), trained({"layout": "contiguous"})

    assert last.images[0].is_contiguous(memory_format=torch.channels_last)
    assert not last.images[0].is_contiguous()
    assert plain.images[0].is_contiguous()
    assert torch.equal(last.images[0], plain.images[0])
    volumes = nn.Conv3d(2, 3, 3)
    Driven({"layout": "channels-last"}).place(volumes)
    assert volumes.weight.is_contiguous(memory_format=torch.channels_last_3d)
    assert not volumes.weight.is_contiguous()


def test_a_layout_that_changes_nothing_is_refused(capsys):
    """Where nothing has channels, channels last would vary nothing and is not called equal."""
    vectors = {"make_model": lambda: nn.Linear(3, 2), "make_batches": lambda: [(torch.ones(4, 3), ONE_EACH)]}

    assert "changes nothing" in refused(capsys, {"layout": "channels-last"}, **vectors)
    assert trained({"layout": "contiguous"}, **vectors).losses


ONE_EACH = torch.tensor([0, 1, 0, 1])


@pytest.mark.skipif(missing("cuda") is None, reason="has CUDA")
def test_a_missing_device_is_named(capsys):
    """A device that is not there is refused with the reason, before the model is made."""
    line = refused(capsys, {"device": "cuda"}, make_model=lambda: pytest.fail("made"))

    assert line.startswith("detaudit: no such device: cuda (torch ")
    assert missing("cpu") is None
    assert "counted from 0" in missing("cpu:1")
    assert "cpu, cuda" in missing("tpu")


def test_a_model_on_the_cpu_is_the_model(capsys):
    """`device=cpu` trains what is trained without it."""
    assert trained({"device": "cpu"}).losses == trained({}).losses
    assert capsys.readouterr().err == ""


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_a_model_on_a_gpu_is_the_model():
    """With common draws, the model trains on a GPU as on the CPU, up to rounding."""
    with kept_draws() as draws:
        here = trained({"device": "cpu"})
    with taken_draws(draws) as problems:
        there = trained({"device": "cuda"})

    assert not problems
    assert there.images[0].is_cuda
    assert torch.equal(there.images[0].cpu(), here.images[0])
    assert there.losses == pytest.approx(here.losses, rel=1e-3)


def test_a_model_that_does_not_fit_is_said(capsys):
    """Running out of a device's memory is a sentence, not a traceback."""

    def loss_fn(_model, _batch):
        raise torch.OutOfMemoryError("tried to allocate 20 GiB")

    assert "does not fit on cpu" in refused(capsys, {"device": "cpu"}, loss_fn=loss_fn)


class Factorised(nn.Module):
    """A model with an operator that few dtypes have."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.eye(3))

    def forward(self, x):
        return x @ torch.linalg.cholesky(self.weight)


def test_an_operator_without_an_implementation_is_named(capsys):
    """Where a dtype lacks an operator, the operator and the line that calls it are named."""
    line = refused(
        capsys,
        {"dtype": "bfloat16"},
        make_model=Factorised,
        make_batches=lambda: [(torch.ones(4, 3), torch.zeros(4, dtype=torch.long))],
    )

    assert "cholesky" in line
    assert "test_driven.py:" in line
    assert "dtype=bfloat16" in line


def test_the_programs_own_errors_stay_its_own():
    """An error that the conditions do not explain is raised as it is."""

    def loss_fn(_model, _batch):
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        trained({"dtype": "float64", "compile": "off"}, loss_fn=loss_fn)


def test_a_compiler_that_fails_is_said(monkeypatch):
    """Where torch.compile fails, that is said in words."""
    compile_ = torch.compile

    def broken(_graph, _inputs):
        raise RuntimeError("no working compiler")

    monkeypatch.setattr(torch, "compile", lambda model, **_: compile_(model, backend=broken))
    driven = Driven({"compile": "on"})
    model = driven.compiled(nn.Linear(2, 2))
    with pytest.raises(UnfitError, match=r"torch\.compile failed: .*no working compiler"), driven.step():
        model(torch.ones(1, 2))


def events(folder, program):
    """How often each place of a program's trace was seen."""
    folder.mkdir()
    with recording(Session(str(folder), Level.LAYER, "test", {}, None, None, is_main=True)):
        program()
    counts: dict[object, int] = {}
    with TraceReader(folder / MAIN_TRACE) as reader:
        (stream,) = reader.streams
        for index in range(reader.steps_begun(stream.id)):
            for event in reader.step(stream.id, index).events:
                counts[index, event.place] = counts.get((index, event.place), 0) + 1
    return counts


def test_eager_and_compiled_traces_name_the_same_things(tmp_path, monkeypatch):
    """A compiled model has the names of the model: only what is inside of it is not seen."""
    compile_ = torch.compile
    monkeypatch.setattr(torch, "compile", lambda model, **_: compile_(model, backend="eager"))
    eager = events(tmp_path / "eager", lambda: trained({}))
    compiled = events(tmp_path / "compiled", lambda: trained({"compile": "on"}))
    with torch.compiler.set_stance("force_eager"):
        passed_on = events(tmp_path / "passed on", lambda: trained({"compile": "on"}))

    assert compiled.items() <= eager.items()
    unseen = {(place.kind, place.module) for _, place in eager.keys() - compiled.keys()}
    assert unseen == {(kind, name) for kind in ("module", "grad-output") for name in INSIDE}
    assert passed_on == eager


INSIDE = ("conv", "norm", "drop", "out")


@pytest.mark.slow
def test_compiled_code_takes_the_numbers_of_eager_code():
    """What inductor draws for noise and dropout is what the eager run drew."""
    with kept_draws() as draws:
        eager = trained({})
    with taken_draws(draws) as problems:
        compiled = trained({"compile": "on"}, seed=1)
    alone = trained({}, seed=1)

    assert not problems
    assert compiled.losses == pytest.approx(eager.losses, rel=1e-5)
    assert alone.losses != pytest.approx(eager.losses, rel=1e-3)
