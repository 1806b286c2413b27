"""The nouns of the ledger: what a line of the program drew, read or started, in types.

Pure data. No torch, no input or output.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from detaudit.model.trace import Site, StreamRole


class Act(StrEnum):
    """What a line did with a source of nondeterminism."""

    # That of an enumeration is computed in Python; a fact is looked up at every draw.
    __hash__ = str.__hash__

    DRAWS = "draws"
    """Drew numbers from a generator."""
    SEEDS = "seeds"
    """Gave a generator a seed."""
    SEEDS_BY_SYSTEM = "seeds by the system"
    """Made a generator without a seed, or had the system choose one."""
    READS = "reads"
    """Read a value from outside: the clock, the host, entropy, an environment variable."""
    READS_LOCAL_TIME = "reads the local time"
    """Read the time of day in the time zone of the machine."""
    ORDERS = "orders"
    """Took items in an order that follows hashes, addresses or the file system."""
    LISTS_FOLDER = "lists a folder"
    LOOKS_FOR_FILE = "looks for a file"
    OPENS_TO_READ = "opens a file to read"
    OPENS_TO_WRITE = "opens a file to write"
    STARTS = "starts"
    """Started a thread, a process or a pool of them."""
    GIVES_UP = "gives up"
    """Could not keep threads in their fixed order any longer: from then on, the threads ran freely."""
    WRITES_SHARED_DATA = "writes shared data"
    """In the main thread, changed a tensor in place that another thread had used in between."""
    READS_SHARED_DATA = "reads shared data"
    """In the main thread, read a tensor that another thread had changed in between."""
    WRITES_SHARED_DATA_BESIDE = "writes shared data beside"
    """Changed such a tensor in any other thread."""
    READS_SHARED_DATA_BESIDE = "reads shared data beside"
    RUNS_BESIDE = "runs beside"
    """Is the function that a thread was started with."""
    FINDS = "finds"
    """Asked, without waiting, whether something is there, and it was."""
    FINDS_NOTHING = "finds nothing"
    """Asked, without waiting, whether something is there, and it was not."""
    TAKES_RESULT = "takes a result"
    """Took a result of parallel work as soon as it was finished."""
    TAKES_FROM_QUEUE = "takes from a queue"
    DELIVERS_UNORDERED = "delivers unordered"
    """Asked for batches in the order in which workers finish them."""
    STARTS_ONE_WORKER = "starts one worker"
    """Started a DataLoader with a single worker, whose order is fixed."""
    STARTS_WORKERS = "starts workers"
    """Started several DataLoader workers on a map-style data set."""
    SHARDS_AMONG_WORKERS = "shards among workers"
    """Started several DataLoader workers on an iterable data set, which they divide themselves."""
    SHARES_MEMORY = "shares memory"
    """Used memory that processes share."""
    GETS_FRESH_MEMORY = "gets fresh memory"
    READS_FRESH_MEMORY = "reads fresh memory"
    """Read memory before anything was written to it."""


class Whose(StrEnum):
    """Which generator an entry concerns."""

    __hash__ = str.__hash__  # as above

    GLOBAL = "global"
    """The library's global generator, after the program seeded it."""
    GLOBAL_UNSEEDED = "global, unseeded"
    """The library's global generator, which nothing has seeded yet."""
    OWN = "own"
    """An object that the program made for itself."""
    NONE = ""
    """No generator is concerned."""


GLOBAL_GENERATORS = frozenset({Whose.GLOBAL, Whose.GLOBAL_UNSEEDED})


class Fact(NamedTuple):
    """What a ledger entry says in types: the act, the generator, and the thing that it was done to."""

    act: Act
    whose: Whose = Whose.NONE
    about: str = ""
    """The path of a file or folder, or the name of a variable; no decision depends on its words."""


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """What one line did with one source of nondeterminism in one step: its draws, or its reads."""

    stream: int
    step: int
    thread: str
    """Name of the thread."""
    in_main_thread: bool
    """Whether that thread is the main thread of its process, whatever its name."""
    sequence: int
    """Position of the first call among all events of its process."""
    source: str
    operation: str
    """The function that was called: `numpy.random.normal`, `time.time`."""
    fact: Fact
    phase: str
    site: Site | None
    site_key: bytes
    count: int
    amount: int
    """Count of the numbers that were drawn; for reads, the same as `count`."""
    digest: bytes
    """Digest over all values that the calls got, in order."""
    shown: str
    """The first of these values, for a reader."""

    @property
    def act(self) -> Act:
        """What the line did."""
        return self.fact.act

    @property
    def draws_or_seeds_globally(self) -> bool:
        """Whether the entry concerns the global generator of a library."""
        return self.fact.whose in GLOBAL_GENERATORS

    @property
    def is_unseeded(self) -> bool:
        """Whether it draws from a generator that the program did not seed, or makes such a generator."""
        unseeded = self.fact.whose is Whose.GLOBAL_UNSEEDED and self.act is Act.DRAWS
        return unseeded or self.act is Act.SEEDS_BY_SYSTEM

    @property
    def position(self) -> tuple[int, int]:
        """The key by which entries of a thread stand in their order."""
        return self.step, self.sequence


@dataclass(frozen=True, slots=True)
class EntryPair:
    """What one line did in one step, in both runs; None where a run has no such entry."""

    stream: str
    """Label of the stream, the same in every run."""
    role: StreamRole
    """The role of that stream: main process, another process, a DataLoader worker."""
    first: LedgerEntry | None
    second: LedgerEntry | None

    @property
    def entry(self) -> LedgerEntry:
        """The entry of whichever run has it."""
        entry = self.first or self.second
        if entry is None:
            raise ValueError("a pair has an entry in at least one run")
        return entry

    @property
    def differs(self) -> bool:
        """Whether the line got other values in the two runs, or asked another number of times."""
        if self.first is None or self.second is None:
            return True
        return self.first.digest != self.second.digest

    @property
    def count_differs(self) -> bool:
        """Whether the line asked, or drew, more often in one run."""
        if self.first is None or self.second is None:
            return True
        return (self.first.count, self.first.amount) != (self.second.count, self.second.amount)

    @property
    def is_other_seed(self) -> bool:
        """Whether the line gave a generator a seed, and another one in each run."""
        both = self.first is not None and self.second is not None
        return both and self.entry.act is Act.SEEDS and self.differs

    @property
    def in_loader_worker(self) -> bool:
        """Whether a DataLoader worker did it."""
        return self.role is StreamRole.LOADER_WORKER
