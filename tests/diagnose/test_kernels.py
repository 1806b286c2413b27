"""Operators that are run alone: what is saved of a call, what replays give, and the script that shows it."""

import json
import subprocess
import sys
import textwrap
import warnings
from dataclasses import replace

import pytest
import torch

import detaudit.diagnose.call_alone as replaying
from detaudit.diagnose.alternatives import alternative
from detaudit.diagnose.call_alone import STRESS_THREADS, TIMES, ask, check_repro, strongest, write_repro
from detaudit.diagnose.kernels import evidence_dict, examine, occurrence_of, sentence
from detaudit.digest.tensor import tensor_digest
from detaudit.errors import RunError
from detaudit.model.plan import Capture, RunPlan, TargetRef
from detaudit.model.trace import Kind, Level
from detaudit.record.schema import make_plan
from detaudit.replay.operators.repeat_saved_call import load, measure
from detaudit.replay.operators.save_call import CAPTURED, save_call
from detaudit.run.progress import Silence
from detaudit.run.runs import execute
from detaudit.targets.find import find_target
from detaudit.trace.reader import TraceReader
from tests.forked import STARTS_RUNS

ATEN = torch.ops.aten

TWO_CALLS = """
    import torch
    torch.manual_seed(0)
    net = torch.nn.Linear(3, 1)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for step in range(3):
        noise = torch.zeros(4, 3)
        for call in range(2):
            noise.t()[:, ::2].mul_(0).add_(10 * step + call, alpha=2)
        loss = net(noise + torch.randn(4, 3)).pow(2).mean()
        optimizer.zero_grad(); loss.backward(); optimizer.step()
"""


@pytest.fixture
def saved(tmp_path):
    """Save a call of an operator as a recorded program would."""

    def save(operator, *args, **kwargs):
        path = tmp_path / CAPTURED
        save_call(str(path), make_plan(operator), operator, args, kwargs)
        return path

    return save


def with_threads(path, threads):
    """Change the number of threads that a saved call had."""
    torch.save(torch.load(path, weights_only=True) | {"threads": threads}, path)
    return path


def scatter():
    """Arguments of index_put with accumulation that any two threads race for."""
    return torch.zeros(64, 8), [torch.randint(0, 64, (8000,))], torch.randn(8000, 8), True


CALLS = {
    "product": (ATEN.mm.default, lambda: (torch.randn(5, 6).bfloat16(), torch.randn(6, 4).bfloat16()), {}),
    "view": (ATEN.sum.dim_IntList, lambda: (torch.randn(8, 6)[1::2].t(), [0], True), {}),
    "expanded": (ATEN.add.Tensor, lambda: (torch.randn(3).expand(4, 3), torch.randn(4, 1)), {"alpha": 2}),
    "conjugate": (ATEN.mm.default, lambda: (torch.randn(3, 3, dtype=torch.cfloat).mH,) * 2, {}),
    "in place": (ATEN.mul_.Tensor, lambda: (torch.randn(6)[1:], torch.randn(5)), {}),
    "sparse": (ATEN.mm.default, lambda: (torch.eye(4).to_sparse(), torch.randn(4, 4)), {}),
    "compressed": (ATEN.mm.default, lambda: (torch.eye(4).to_sparse_csr(), torch.randn(4, 4)), {}),
    "list": (ATEN._foreach_add_.List, lambda: ([torch.randn(2), torch.randn(3)],) * 2, {}),
    "draw": (ATEN.bernoulli.p, lambda: (torch.zeros(50), 0.5), {}),
    "own generator": (ATEN.randn.generator, lambda: ([9],), {"generator": torch.Generator().manual_seed(3)}),
    "types": (ATEN._to_copy.default, lambda: (torch.randn(2, 3, 4, 4),),
              {"dtype": torch.float16, "device": torch.device("cpu"), "memory_format": torch.channels_last}),
    "nothing": (ATEN.add.Tensor, lambda: (torch.randn(0, 3), torch.randn(3)), {}),
}  # fmt: skip


def strides(args):
    """Of the tensors that have any."""
    tensors = [one for one in args if isinstance(one, torch.Tensor) and one.layout is torch.strided]
    return [one.stride() for one in tensors]


@pytest.mark.parametrize("name", CALLS)
def test_a_replay_gives_what_the_call_gave(saved, name):
    """Strides, shared memory, types and random generators are as they were, in each replay."""
    operator, make, kwargs = CALLS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some layouts are announced as new
        args, state = make(), torch.get_rng_state()
        call = load(str(saved(operator, *args, **kwargs)))
        found = measure(call, times=3, seconds=10)
        torch.set_rng_state(state)
        expected = operator(*args, **kwargs)
    results = args[0] if expected is None else [expected]

    assert found.first == b"".join(map(tensor_digest, results)).hex()
    assert (found.times, found.distinct) == (3, 1)
    assert strides(call.saved["args"]) == strides(args)


def test_arguments_that_share_memory_share_it_in_the_replay(saved):
    """An operator that writes where it reads gives what it gave, and only the memory in use is saved."""
    base = torch.arange(1000.0)
    path = saved(ATEN.add_.Tensor, base[500:504], base[502:506])
    first, second = torch.load(path, weights_only=True)["args"]

    assert first.untyped_storage().data_ptr() == second.untyped_storage().data_ptr()
    assert first.untyped_storage().nbytes() < 100


def test_a_clean_operator_always_gives_the_same(saved, tmp_path):
    """A matrix product is not at fault: no script is written for it, and one written all the same says so."""
    path = with_threads(saved(ATEN.mm.default, torch.randn(200, 300), torch.randn(300, 100)), 2)
    kernel = examine(path, tmp_path / "repro", times=30)
    evidence = json.loads(json.dumps(evidence_dict(kernel), allow_nan=False))

    assert not kernel.differs
    assert (kernel.replay.times, kernel.replay.differs) == (30, 0)
    assert kernel.replay.threads_tried == (2, 8)
    assert kernel.repro is None
    assert evidence["text"] == sentence(kernel)
    assert "always the same result, also with 8 threads" in sentence(kernel)
    scripts = [write_repro(tmp_path / "repro", path, kernel.call, kernel.replay) for _ in range(2)]
    assert check_repro(scripts[0]) == (False, "the script was run: 0 of 30 differ")
    command = [sys.executable, "-m", "ruff", "check", "--isolated", str(scripts[0])]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    # A script that is there already is left alone.
    assert [script.name for script in scripts] == ["repro_mm.py", "repro_mm_2.py"]


def replay(path, times=TIMES):
    return strongest(ask(path, times, "captured", f"stress={STRESS_THREADS}"))


def test_a_race_that_one_thread_cannot_show_is_shown_with_more(saved):
    """More threads are tried only where those of the run give no difference."""
    found = replay(with_threads(saved(ATEN.index_put.default, *scatter()), 1), times=40)

    assert found.threads_tried == (1, 8)
    assert found.distinct > 1


def test_what_cannot_be_replayed_is_told(saved):
    """An operator that only the program has."""
    path = saved(ATEN.mm.default, torch.randn(2, 2), torch.randn(2, 2))
    torch.save(torch.load(path, weights_only=True) | {"operator": "program::own"}, path)

    with pytest.raises(RunError, match="own"):
        replay(path)


def test_a_kernel_that_does_not_return_is_given_up(saved, monkeypatch):
    """After its time a replaying process is ended."""
    monkeypatch.setattr(replaying, "SECONDS", 0.1)
    monkeypatch.setattr(replaying, "_GRACE_SECONDS", 0.0)
    path = saved(ATEN.mm.default, torch.randn(2, 2), torch.randn(2, 2))

    assert "did not end" in ask(path, 2, "captured").errors[""]


def test_a_script_that_fails_reproduces_nothing(tmp_path):
    """An exception ends python with status 1 too."""
    script = tmp_path / "repro.py"
    script.write_text("raise ValueError('no such operator')")

    assert check_repro(script) == (False, "the script was run, and failed: ValueError: no such operator")


@pytest.fixture(scope="module")
def captured(tmp_path_factory, origin):
    """Traces of TWO_CALLS, without and with saving the second `add_` of step 1."""
    folder = tmp_path_factory.mktemp("captured")
    program = folder / "program.py"
    program.write_text(textwrap.dedent(TWO_CALLS))
    plan = RunPlan(find_target(TargetRef(str(program))), 1, Level.OP, 0, steps=2, window=(1, 2))
    plans = [plan, replace(plan, capture=Capture(1, "aten.add_.Tensor", 1))]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(STARTS_RUNS, origin.in_place_of_subprocess())
        outcomes = [execute(one, folder / str(number), Silence())[0] for number, one in enumerate(plans)]
    with TraceReader(outcomes[0].trace) as plain, TraceReader(outcomes[1].trace) as capturing:
        yield plain, capturing


def test_the_call_that_was_asked_for_is_saved_before_it_writes(captured):
    """Step, operator and occurrence are those of the trace, and the values those before the call."""
    plain, capturing = captured
    call = torch.load(capturing.path.parent / CAPTURED, weights_only=True)
    written, added = call["args"]

    assert (call["operator"], call["overload"]) == ("aten::add_", "Tensor")
    assert (written.shape, written.stride()) == ((3, 2), (1, 6))
    assert not written.any()
    assert (added, call["kwargs"]) == (11, {"alpha": 2})
    assert not call["backward"]
    assert not (plain.path.parent / CAPTURED).exists()


def test_saving_a_call_changes_nothing(captured):
    """The runs with and without it have the same digests in every step."""
    digests = [
        [head.digest for stream in reader.streams for head in reader.heads(stream.id)] for reader in captured
    ]
    assert digests[0] == digests[1]
    assert not captured[1].info.problems


def test_the_occurrence_of_an_event_is_that_of_its_call(captured):
    """Calls of the operator in all modules and phases of the step are counted together."""
    reader, (stream, *_) = captured[0], captured[0].streams
    calls = [one for one in reader.step(stream.id, 1).events if one.place.name == "aten.add_.Tensor"]

    assert [occurrence_of(reader, stream.id, 1, one.sequence) for one in calls] == list(range(len(calls)))
    assert all(one.place.kind is Kind.OP for one in calls)
    with pytest.raises(KeyError):
        occurrence_of(reader, stream.id, 1, 10**9)


@pytest.mark.usefixtures("forked")
def test_a_call_that_cannot_be_saved_is_told_and_harms_nothing(record):
    """Tensors without values have nothing to save: the program ends well, and the trace says why not."""
    program = TWO_CALLS.replace("net(noise", "net(torch.ones(2, device='meta').mul(3).numel() * noise")
    reader = record(program, "op", window=(0, 1), steps=1, capture=Capture(0, "aten.mul.Tensor", 0))

    assert reader.info.problems[0].startswith("the arguments of aten.mul.Tensor could not be saved")
    assert not (reader.path.parent / CAPTURED).exists()


@pytest.mark.parametrize(
    ("operator", "device", "accumulate", "backward", "named"),
    [
        ("aten.index_put_.default", "cpu", True, True, "index_select"),
        ("aten.index_put.default", "cpu", True, False, "index_add"),
        ("aten.index_put.default", "cuda", False, False, "unique"),
        ("aten.put.default", "cpu", True, True, "torch.gather"),
        ("aten.linalg_lstsq.default", "cpu", False, False, "driver='gels'"),
        ("aten.scatter_add_.default", "cuda", False, False, "one-hot"),
        ("aten._cudnn_rnn.default", "cuda", False, False, "CUBLAS_WORKSPACE_CONFIG"),
        ("aten.scatter_add_.default", "cpu", False, False, None),
        ("aten.relu.default", "cuda", False, False, None),
    ],
)
def test_the_alternative_fits_the_call(operator, device, accumulate, backward, named):
    """What is named depends on the device, on accumulation, and on whether the user wrote the call."""
    text = alternative(operator, device, accumulate=accumulate, backward=backward)

    assert (text is None) if named is None else (named in text)
