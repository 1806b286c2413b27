"""What to change, said for the line at hand."""

from __future__ import annotations

FIXES = {
    "unseeded-python": (
        "call random.seed(SEED) before the first draw (or detaudit.seed_everything(SEED)), or "
        "give Random() a seed"
    ),
    "unseeded-numpy": (
        "call np.random.seed(SEED) before the first draw (or detaudit.seed_everything(SEED)), or "
        "give default_rng() and RandomState() a seed"
    ),
    "unseeded-torch": (
        "call torch.manual_seed(SEED) before the first draw (or detaudit.seed_everything(SEED))"
    ),
    "unseeded-library": "pass random_state=SEED (or seed=SEED) to this call",
    "os-entropy": (
        "take the value from something that stays the same (a row number, a hash of the content),"
        " or from a seeded generator"
    ),
    "seed-order": "seed before this line: move the seeding to the start of the program",
    "rng-drift": (
        "do it every N steps instead of every N seconds, and draw from a generator of its own "
        "(torch.Generator, or torch.random.fork_rng())"
    ),
    "worker-seeding": (
        "derive the seed from torch.initial_seed() in the worker: worker_init_fn=detaudit.seed_worker"
    ),
    "worker-order": (
        "let the worker's id (get_worker_info().id) and a fixed seed decide, and deliver in order"
        " (in_order=True)"
    ),
    "completion-order": (
        "take the results in the order of submission (iterate over the futures, pool.map, asyncio.gather)"
    ),
    "hash-order": (
        "sort it: sorted(...) fixes the order; for hash() of strings use zlib.crc32(text.encode())"
    ),
    "fs-order": "sort by name: sorted(...)",
    "address-order": (
        "order by something that stays: dict.fromkeys(items) keeps the order of first appearance;"
        " never sort by id()"
    ),
    "wall-clock": "decide by the number of steps or epochs, not by the clock",
    "env-dependence": (
        "pass the value as an argument of the program instead of reading it from the host or the process"
    ),
    "cached-state": "write to a fresh folder for each run, or put what the file depends on into its name",
    "process-state": "start each training with fresh state: make it inside the function, not in the module",
    "nondeterministic-op": (
        "call torch.use_deterministic_algorithms(True) (or use detaudit.deterministic()), or an "
        "operator that is deterministic"
    ),
    "uninitialized-memory": "initialise it: torch.zeros, or fill it (nn.init) before it is read",
    "thread-race": "let one thread update, or put a lock around it and fix the order",
}


OWN = {
    "numpy.random.default_rng": "give it a seed: np.random.default_rng(SEED)",
    "numpy.random.SeedSequence": "give the generator a seed, as in np.random.RandomState(SEED)",
    "random.Random": "give it a seed: random.Random(SEED)",
    "torch.seed": "use torch.manual_seed(SEED) (or generator.manual_seed(SEED)) in place of seed()",
    "hash": "use a hash that is not salted, as zlib.crc32(text.encode())",
    "set": "sort what is iterated over here: sorted(...)",
    "id": "order by something that stays, never by id()",
    "DataLoader(in_order=False)": "leave in_order=False out: batches then come in the order of the sampler",
}
"""For some calls, a change to just that call."""

ONLY_FOR = frozenset(
    {"unseeded-numpy", "unseeded-python", "unseeded-torch", "hash-order", "address-order", "worker-order"}
)


def fix_for(cause: str, symbol: str | None) -> str | None:
    """The change to make for a cause, at the call of `symbol`; None where there is no advice to give."""
    return OWN[symbol] if cause in ONLY_FOR and symbol in OWN else FIXES.get(cause)
