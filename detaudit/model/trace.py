"""The nouns of a trace: what was observed, where in the program, and in which step.

Pure data. No torch, no input or output.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Level(StrEnum):
    """How much of a run is recorded."""

    STEP = "step"
    LAYER = "layer"
    OP = "op"


class Phase(StrEnum):
    """Where in the training an event belongs."""

    # That of an enumeration is computed in Python, each time anew; recording asks for it at every event.
    __hash__ = str.__hash__

    INIT = "init"
    DATA = "data"
    FORWARD = "forward"
    BACKWARD = "backward"
    OPTIMIZER = "optimizer"
    EVAL = "eval"
    CHECKPOINT = "checkpoint"


class Kind(StrEnum):
    """What an event's digests are digests of."""

    __hash__ = str.__hash__  # as above

    WEIGHT = "weight"
    """A parameter: before the first step (phase init) or after a step (phase optimizer)."""
    BUFFER = "buffer"
    """A module buffer, at the same times as a weight."""
    BATCH = "batch"
    """The numbers in a batch that a DataLoader handed out."""
    BATCH_TEXT = "batch-text"
    """The strings in such a batch (identifiers, file names): they are not numbers yet."""
    INPUT = "input"
    """The arguments in a call of an outermost module."""
    MODULE = "module"
    """One module call: `inputs` is the digest of the arguments, `outputs` the digest of the result."""
    GRAD_OUTPUT = "grad-output"
    """The gradient that arrives at a module's output in the backward pass."""
    LOSS = "loss"
    """The tensors that a backward pass starts from."""
    GRAD = "grad"
    """A parameter's gradient, as it arrives in one backward pass."""
    GRAD_ACCUMULATED = "grad-accumulated"
    """`parameter.grad` after it was added to gradients that were already there."""
    GRAD_USED = "grad-used"
    """`parameter.grad` as the optimizer finds it: after clipping, unscaling and the like."""
    OPTIMIZER_STATE = "optimizer-state"
    """One entry of an optimizer's state for one parameter, after the step."""
    OP = "op"
    """One ATen operator call."""


@dataclass(frozen=True, slots=True)
class Site:
    """A line of source."""

    file: str
    line: int
    function: str
    code: str = ""
    """The text of the line, stripped; empty where it could not be read."""
    through: str = ""
    """`file:line in function` of the library code between this line and torch, if any."""


@dataclass(frozen=True, slots=True)
class Place:
    """The part of an event's identity that does not change from step to step."""

    phase: Phase
    kind: Kind
    root: str
    """Class name of the outermost module, `#2` and so on behind further instances; may be empty."""
    module: str | None
    """Path of the module below that root; `""` is the root itself, None: no module involved."""
    name: str
    """Parameter, buffer, state entry or operator; empty where the kind says it all."""


@dataclass(frozen=True, slots=True)
class Event:
    """One observed thing. Its identity is (stream, step, place, how often that place came before)."""

    place: Place
    site: Site | None
    sequence: int
    """Position among all events of its process: orders events of different threads."""
    inputs: bytes | None
    """16-byte digest of the inputs; None for a kind without inputs."""
    outputs: bytes | None
    """16-byte digest of the outputs; None if no output can be compared."""


class StreamRole(StrEnum):
    """Why a sequence of events exists beside the main thread's."""

    MAIN = "main"
    RANK = "rank"
    """The main thread of a rank of a distributed training, where it is not the program's main process."""
    THREAD = "thread"
    PROCESS = "process"
    LOADER_WORKER = "loader-worker"


@dataclass(frozen=True, slots=True)
class Stream:
    """The events of one thread of one process, in the order in which they happened."""

    id: int
    role: StreamRole
    process: str
    thread: str

    @property
    def label(self) -> str:
        """A name that is the same in every run (no process or thread numbers)."""
        return self.process if self.thread == "main" else f"{self.process}/{self.thread}"


@dataclass(frozen=True, slots=True)
class Rank:
    """One process of a distributed training, as `torch.distributed` numbers it."""

    number: int
    world: int
    """How many ranks there are."""
    host: str
    restarts: int = 0
    """How often the launcher had started the ranks again before."""
    mesh: str = ""
    """The device meshes on which its tensors lie, `dp=2, tp=4`; empty where there are none."""
    data_parallel: tuple[int, ...] = ()
    """The ranks that train the same weights on other samples; empty where that is not known."""
    finished: bool = False
    """False if the process ended before its trace could be closed."""
    steps: int = 0
    """The steps that it completed."""

    @property
    def name(self) -> str:
        """The name of the rank's process in a trace."""
        return f"rank {self.number}"


@dataclass(frozen=True, slots=True)
class GeneratorState:
    """A random generator's state at the end of a step."""

    name: str
    """`python`, `numpy`, `torch` or `cuda:0`."""
    digest: bytes


@dataclass(frozen=True, slots=True)
class Step:
    """What one stream saw from the end of the step before to the end of this one."""

    stream: int
    index: int
    complete: bool
    """False for the events after the last step (a final evaluation, say)."""
    digest: bytes
    """16 bytes over all events of the step, in order, without their sites."""
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class Batch:
    """Where the batch of one `batch` event came from."""

    sequence: int
    """The sequence number of the batch's event."""
    loader: int
    """Number of the DataLoader, in order of first use."""
    iteration: int
    """Number of earlier passes over that loader."""
    index: int
    """Number of the batch within the iteration."""
    worker: int | None
    """The worker that made the batch; None if the main process made it."""
    samples: tuple[int, ...] | None
    """Indices that the sampler gave; None where there are none or they are not integers."""
    step: int = 0
    """The step of its stream in which the batch arrived."""
    content: bytes | None = None
    """16-byte digest of the whole batch, numbers and text."""


@dataclass(frozen=True, slots=True)
class TraceInfo:
    """What a trace says about itself."""

    detaudit: str
    digest: str
    """Name and version of the digest algorithm; digests of different ones are never compared."""
    level: Level
    target: str
    environment: dict[str, object]
    conditions: dict[str, object]
    started: float
    """Seconds since the epoch."""
    finished: bool
    """False if the program was killed before it could close the trace."""
    stopped: bool
    """True if the recorder ended the program, after the steps that were asked for."""
    exit_code: int | None
    seconds: float | None
    """Wall time of the program; None if it did not end."""
    overhead_seconds: float | None
    """Wall time spent inside the recorder."""
    problems: tuple[str, ...] = field(default=())
    """Problems that kept the recorder from seeing everything (a full disk, a value with no digest)."""
    ranks: tuple[Rank, ...] = field(default=())
    """The ranks of a distributed training that were recorded; none where there is only one process."""
    launch: tuple[str, ...] = field(default=())
    """The names of the launch that it belongs to, where its process was recorded from outside."""
    nested: tuple[str, ...] = field(default=())
    """The calls in the run that asked for another audit, which a run never starts."""
