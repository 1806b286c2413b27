"""The causes for which two runs, or the ranks of one run, differ: a label, a page and a fix for each.

Pure data. No torch, no input or output.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class Cause(StrEnum):
    """Why two runs differ, or the ranks of one run.

    The value is the label in results, and the name of the page that explains it.

    Related causes stand together.
    """

    # A label that is looked up as text must be found.
    __hash__ = str.__hash__

    fix: str
    """The change that helps against most faults of this kind; a source may know a better one for a call."""

    def __new__(cls, label: str, fix: str) -> Self:
        """Make a member that is its label, and that knows its fix."""
        member = str.__new__(cls, label)
        member._value_ = label
        member.fix = fix
        return member

    UNSEEDED_PYTHON = (
        "unseeded-python",
        (
            "call random.seed(SEED) before the first draw (or detaudit.seed_everything(SEED)), or "
            "give Random() a seed"
        ),
    )
    UNSEEDED_NUMPY = (
        "unseeded-numpy",
        (
            "call np.random.seed(SEED) before the first draw (or detaudit.seed_everything(SEED)), or "
            "give default_rng() and RandomState() a seed"
        ),
    )
    UNSEEDED_TORCH = (
        "unseeded-torch",
        "call torch.manual_seed(SEED) before the first draw (or detaudit.seed_everything(SEED))",
    )
    UNSEEDED_LIBRARY = (
        "unseeded-library",
        "give the library's call a seed, or seed the global generator that it draws from",
    )
    OS_ENTROPY = (
        "os-entropy",
        (
            "take the value from something that stays the same (a row number, a hash of the content),"
            " or from a seeded generator"
        ),
    )
    SEED_ORDER = "seed-order", "seed before this line: move the seeding to the start of the program"
    RNG_DRIFT = (
        "rng-drift",
        (
            "do it every N steps instead of every N seconds, and draw from a generator of its own "
            "(torch.Generator, or torch.random.fork_rng())"
        ),
    )
    WORKER_SEEDING = (
        "worker-seeding",
        "derive the seed from torch.initial_seed() in the worker: worker_init_fn=detaudit.seed_worker",
    )
    WORKER_ORDER = (
        "worker-order",
        (
            "let the worker's id (get_worker_info().id) and a fixed seed decide, and deliver in order"
            " (in_order=True)"
        ),
    )
    COMPLETION_ORDER = (
        "completion-order",
        "take the results in the order of submission (iterate over the futures, pool.map, asyncio.gather)",
    )
    HASH_ORDER = (
        "hash-order",
        "sort it: sorted(...) fixes the order; for hash() of strings use zlib.crc32(text.encode())",
    )
    FS_ORDER = "fs-order", "sort by name: sorted(...)"
    ADDRESS_ORDER = (
        "address-order",
        (
            "keep the items in a list, or make them unique with dict.fromkeys(items), which keeps the order "
            "of first appearance; never sort by id()"
        ),
    )
    WALL_CLOCK = "wall-clock", "decide by the number of steps or epochs, not by the clock"
    ENV_DEPENDENCE = (
        "env-dependence",
        "pass the value as an argument of the program instead of reading it from the host or the process",
    )
    CACHED_STATE = (
        "cached-state",
        "write to a fresh folder for each run, or put what the file depends on into its name",
    )
    PROCESS_STATE = (
        "process-state",
        "start each training with fresh state: make it inside the function, not in the module",
    )
    NONDETERMINISTIC_OP = (
        "nondeterministic-op",
        (
            "call torch.use_deterministic_algorithms(True) (or use detaudit.deterministic()), or an "
            "operator that is deterministic"
        ),
    )
    UNINITIALIZED_MEMORY = (
        "uninitialized-memory",
        "initialise it: torch.zeros, or fill it (nn.init) before it is read",
    )
    THREAD_RACE = "thread-race", "let one thread update, or put a lock around it and fix the order"
    REPLICAS_DRIFT = (
        "replicas-drift",
        (
            "let all ranks make the same update: synchronise every gradient, and change weights on all ranks "
            "alike or on none"
        ),
    )
    SHARDS_OVERLAP = (
        "shards-overlap",
        "give the DataLoader a sampler that divides the samples: DistributedSampler(dataset, shuffle=True)",
    )
    EPOCH_NOT_SET = (
        "epoch-not-set",
        "call sampler.set_epoch(epoch) at the beginning of each epoch, before the loader is iterated",
    )
    COLLECTIVE_ORDER = (
        "collective-order",
        "call the collective operations in the same order on all ranks of a group",
    )
    RESUME_STATE = "resume-state", "save the missing state in the checkpoint, and restore it"
    NUMERIC_SETTING = "numeric-setting", "keep the setting the same to get the same bits"


RELATIONS = frozenset(
    {Cause.REPLICAS_DRIFT, Cause.SHARDS_OVERLAP, Cause.EPOCH_NOT_SET, Cause.COLLECTIVE_ORDER}
)
"""The causes for which the ranks of one run differ, or are alike, though its runs agree."""
