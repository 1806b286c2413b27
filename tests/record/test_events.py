"""What a trace of a training shows, on small programs whose events are known."""

from collections import Counter

import pytest
import torch
from torch import nn

from detaudit.cli.main import main
from detaudit.model.trace import Kind, Phase
from detaudit.trace.data import read_states
from detaudit.trace.reader import TraceReader
from tests.conftest import ZOO
from tests.programs import in_one_process


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 8)
        self.norm = nn.BatchNorm1d(8)

    def forward(self, x):
        return self.norm(self.first(x)).sum(1)


def train_two_steps():
    """Train for two steps, then evaluate."""
    torch.manual_seed(0)
    net = Net()
    optimizer = torch.optim.Adam(net.parameters())
    for _ in range(2):
        loss = net(torch.randn(6, 4)).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    net.eval()
    with torch.no_grad():
        net(torch.randn(3, 4))


@pytest.fixture(scope="module")
def two_steps(record_here):
    """The trace of that function, at level `layer`."""
    return record_here(train_two_steps)


@pytest.fixture(scope="module")
def forking(tmp_path_factory):
    """The trace of a process that forks, and forks again for the workers of a DataLoader."""
    folder = tmp_path_factory.mktemp("forking")
    program = folder / "program.py"
    program.write_text(in_one_process(ZOO / "forks.py", ZOO / "loader_fork.py"))
    assert main(["record", str(program), "-o", str(folder / "trace")]) == 0
    with TraceReader(folder / "trace") as reader:
        yield reader


def events(reader, step=0):
    """The events of one step of the main thread."""
    return reader.step(reader.streams[0].id, step).events


def found(reader, step=0, **wanted):
    """Those of them whose place is as wanted."""
    return [
        event
        for event in events(reader, step)
        if all(getattr(event.place, name) == value for name, value in wanted.items())
    ]


def test_a_step_in_its_order(two_steps):
    """Initial weights, input, forward, loss, backward, what the optimizer used and what it left."""
    reader = two_steps
    order = list(dict.fromkeys((event.place.phase, event.place.kind) for event in events(reader)))

    assert reader.steps_completed(1) == 2
    assert order == [
        (Phase.INIT, Kind.WEIGHT),
        (Phase.INIT, Kind.BUFFER),
        (Phase.DATA, Kind.INPUT),
        (Phase.FORWARD, Kind.MODULE),
        (Phase.FORWARD, Kind.LOSS),
        (Phase.BACKWARD, Kind.GRAD_OUTPUT),
        (Phase.BACKWARD, Kind.GRAD),
        (Phase.OPTIMIZER, Kind.GRAD_USED),
        (Phase.OPTIMIZER, Kind.WEIGHT),
        (Phase.OPTIMIZER, Kind.OPTIMIZER_STATE),
        (Phase.OPTIMIZER, Kind.BUFFER),
    ]


def test_names_and_lines(two_steps):
    """Modules are named by their path, and every event has the line of the user's code that caused it."""
    reader = two_steps
    (call,) = found(reader, kind=Kind.MODULE, module="first")
    (initial,) = found(reader, kind=Kind.WEIGHT, phase=Phase.INIT, module="first", name="weight")
    (step,) = found(reader, kind=Kind.WEIGHT, phase=Phase.OPTIMIZER, module="norm", name="bias")

    assert call.place.root == "Net"
    assert call.site.code == "return self.norm(self.first(x)).sum(1)"
    assert initial.site.code == "self.first = nn.Linear(4, 8)"
    assert step.site.code == "optimizer.step()"


def test_values_flow(two_steps):
    """A digest is the same wherever the value is: out of one module and into the next."""
    reader = two_steps
    (first,), (norm,) = (found(reader, kind=Kind.MODULE, module=name) for name in ("first", "norm"))
    (arrived,) = found(reader, kind=Kind.GRAD, module="first", name="weight")
    (used,) = found(reader, kind=Kind.GRAD_USED, module="first", name="weight")

    assert first.outputs == norm.inputs
    assert arrived.outputs == used.outputs


def test_a_final_evaluation_is_no_step(two_steps):
    """What comes after the last optimizer step is kept, in the phase eval, and counts as no step."""
    reader = two_steps
    (call,) = found(reader, 2, kind=Kind.MODULE, module="")

    assert call.place.phase is Phase.EVAL
    assert [head.complete for head in reader.heads(1)] == [True, True, False]


def test_level_step_sees_only_the_boundaries(record_here):
    """At level `step` there are weights, gradients as used, state and outermost calls, and no layers."""
    reader = record_here(train_two_steps, level="step")

    assert found(reader, kind=Kind.MODULE, module="first") == []
    assert len(found(reader, kind=Kind.MODULE, module="")) == 1
    assert len(found(reader, kind=Kind.GRAD_USED)) == 4
    assert found(reader, kind=Kind.GRAD) == []


def test_generators_at_step_boundaries(two_steps):
    """The states of all three generators are there; the one drawn from moves, others stay."""
    states = (read_states(two_steps, head.states) for head in two_steps.heads(1))
    first, second, *_ = ({one.name: one.digest for one in head} for head in states)

    assert set(first) == {"python", "numpy", "torch"}
    assert first["torch"] != second["torch"]
    assert first["numpy"] == second["numpy"]


def test_gradient_accumulation_shows_arrival_and_sum(record_here):
    """Each backward pass shows the gradient that arrived and, from the second on, the sum so far."""
    reader = record_here(ZOO / "gradient_accumulation.py")
    counts = Counter(event.place.kind for event in events(reader) if event.place.name == "weight")
    assert counts[Kind.GRAD] > counts[Kind.GRAD_ACCUMULATED] > 0


def test_double_backward_belongs_to_its_module(record_here):
    """At level `op`, second-order operators are attributed to the module and line that they differentiate."""
    reader = record_here(ZOO / "gradient_penalty.py", level="op")
    backward = found(reader, kind=Kind.OP, phase=Phase.BACKWARD)
    (second_order,) = [event for event in backward if event.place.name == "aten.sigmoid_backward.default"]

    assert all(event.site is not None for event in backward)
    assert second_order.place.module == "1"
    assert second_order.site.code.startswith("(slope,) = torch.autograd.grad(")


@pytest.mark.parametrize(
    ("program", "operator"),
    [("scatter_in_forward.py", "aten.index_put.default"), ("take_in_backward.py", "aten.put.default")],
)
def test_operators_have_the_line_that_made_them(record_here, program, operator):
    """At level `op` the operator under suspicion is there, with module and line, forward and backward."""
    reader = record_here(ZOO / program, level="op")
    suspects = [event for event in found(reader, kind=Kind.OP) if event.place.name == operator]

    assert suspects
    assert all(event.site is not None and event.site.file.endswith(program) for event in suspects)


def test_batches_know_their_samples_and_workers(forking):
    """A batch of a DataLoader with workers says which samples it is made of and which worker made it."""
    batches = list(forking.batches(1))

    assert {batch.worker for batch in batches} == {0, 1}
    assert all(batch.samples for batch in batches)
    assert sorted(sum((batch.samples for batch in batches), ())) == list(
        range(len(sum((b.samples for b in batches), ())))
    )


def test_forked_workers_leave_streams_of_their_own(forking):
    """Workers started by fork are recorded, and made what the main process received."""
    check_workers(forking)


def check_workers(reader):
    """Hold the streams of two workers against what the main process received."""
    workers = [stream for stream in reader.streams if stream.role == "loader-worker"]
    made = {e.outputs for w in workers for h in reader.heads(w.id) for e in reader.step(w.id, h.index).events}
    received = {
        e.outputs
        for h in reader.heads(1)
        for e in reader.step(1, h.index).events
        if e.place.kind is Kind.BATCH
    }

    assert sorted(stream.process for stream in workers) == ["loader worker 0", "loader worker 1"]
    assert received
    assert received <= made


def test_spawned_processes_leave_streams_of_their_own(record):
    """Training in spawned processes and workers started by spawn are in the one trace of the run."""
    check_steps(reader := record(ZOO / "spawn_training.py"), "SpawnProcess-1")
    check_workers(reader)


def test_a_plain_child_process_is_recorded(record):
    """Training in a Python that the program starts is in the one trace of the run."""
    check_steps(record(ZOO / "subprocess_trains.py"), "python -c")


def test_a_forked_process_is_recorded(forking):
    """Training in a forked child process is in the one trace of the run."""
    check_steps(forking, "fork 1")


def check_steps(reader, label):
    """Hold that the process of that label trained."""
    (stream,) = [stream for stream in reader.streams if stream.label == label]
    assert reader.steps_completed(stream.id) > 0


def test_threads_are_recorded(record_here):
    """Each thread that trains has a stream of its own, at every level."""
    for level in ("layer", "op"):
        reader = record_here(ZOO / "hogwild_threads.py", level=level)
        threads = [stream for stream in reader.streams if stream.role == "thread"]

        assert len(threads) > 1
        assert all(reader.steps_completed(stream.id) > 0 for stream in threads)


def test_compiled_code_stays_compiled(record_here):
    """A compiled model is not run eagerly: its layers are not seen, its weights and outputs are."""
    for level in ("layer", "op"):
        reader = record_here(ZOO / "compile_aot_eager.py", level=level)

        assert {event.place.module for event in found(reader, kind=Kind.MODULE, root="Net")} == {""}
        assert found(reader, kind=Kind.GRAD_USED)
        assert not [e for e in found(reader, kind=Kind.OP, phase=Phase.FORWARD) if e.place.module]


def test_looking_at_operators_imports_no_compiler(run_program):
    """At level `op` the first operator does not pull in torch._dynamo, which takes seconds."""
    source = """
        import sys, torch
        w = torch.ones(3, requires_grad=True)
        for _ in range(2):
            (w * 2).sum().backward()
            w.data -= 0.1 * w.grad
        print("torch._dynamo" in sys.modules)
    """
    assert run_program(source, level="op").stdout.read_text() == "False\n"


def test_a_lazy_module_shows_its_weights_before_its_output(record_here):
    """Parameters made in the first call are recorded, and watched, from that call on."""
    reader = record_here(ZOO / "lazy_modules.py")
    kinds = [
        (event.place.phase, event.place.kind)
        for event in events(reader)
        if event.place.name in {"weight", ""}
    ]

    assert kinds.index((Phase.INIT, Kind.WEIGHT)) < kinds.index((Phase.FORWARD, Kind.MODULE))
    assert found(reader, kind=Kind.GRAD)


def test_parameters_replaced_by_new_tensors_keep_their_names(record_here):
    """A program that makes new tensors in each step shows the same few weights in every step."""

    def train():
        torch.manual_seed(0)
        w, b = torch.randn(3, requires_grad=True), torch.zeros(3, requires_grad=True)
        for _ in range(4):
            loss = (w * torch.randn(3) + b).pow(2).sum()
            loss.backward()
            w, b = ((p - 0.1 * p.grad).detach().requires_grad_() for p in (w, b))

    reader = record_here(train)
    weights = [event.place.name for step in range(4) for event in found(reader, step, kind=Kind.WEIGHT)]

    assert reader.steps_completed(1) == 4
    assert set(weights) == {"tensor[3]#1", "tensor[3]#2"}


@pytest.mark.parametrize(("program", "steps"), [("functional_manual.py", 8), ("torch_func.py", 6)])
def test_updates_without_an_optimizer_are_steps(record_here, program, steps):
    """Weights changed in place by hand, and weights replaced by what torch.func gave, make steps."""
    assert record_here(ZOO / program).steps_completed(1) >= steps
