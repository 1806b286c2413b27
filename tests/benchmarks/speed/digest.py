"""How fast a tensor is digested: beside raw XXH3-128 over its bytes, a copy, and a sum that only reads."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import torch
import xxhash

from detaudit.digest.algorithm import digest_address
from detaudit.digest.parallel import digest_in_threads
from detaudit.digest.tensor import tensor_digest
from tests.benchmarks.speed.processes import cores, on_one_core
from tests.benchmarks.speed.rows import Bar, Row, interleaved, ratios, row_of

PART = "digest"
KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
SIZES = {"1 KiB": KIB, "64 KiB": 64 * KIB, "1 MiB": MIB, "16 MiB": 16 * MIB, "64 MiB": 64 * MIB, "1 GiB": GIB}
LARGE = ("64 MiB", "1 GiB")
"""Sizes at which the limits are shown, and what a second thread gives."""

SMALL_BAR = Bar(3.0)
"""Microseconds over raw xxhash that a small tensor may take."""
RATE_BAR = Bar(0.9, at_least=True)
BARRED_FROM = MIB
THREADS_BAR = Bar(1.7, at_least=True)

ROUNDS, QUICK_ROUNDS = 21, 5
THREAD_ROUNDS, QUICK_THREAD_ROUNDS = 9, 3
MEASUREMENT_SECONDS = 0.02
BLOCK_SECONDS = 0.25
"""How long a measurement with two threads takes at least: a core that was idle is slow at first."""

Action = Callable[[], object]


def rows(*, quick: bool = False) -> list[Row]:
    """The rows of this part."""
    made: list[Row] = []
    rounds = QUICK_ROUNDS if quick else ROUNDS
    with _threads(1), on_one_core():
        for name, size in SIZES.items():
            made.extend(_one_thread(name, torch.rand(size // 4), rounds))
        made.extend(_not_contiguous(rounds))
    if cores() > 1:
        for name in LARGE:
            made.extend(_two_threads(name, torch.rand(SIZES[name] // 4), quick=quick))
    return made


def raw(tensor: torch.Tensor) -> Action:
    """XXH3-128 over the memory of a contiguous tensor, with nothing around it."""
    buffer = (ctypes.c_char * tensor.nbytes).from_address(tensor.data_ptr())
    return partial(xxhash.xxh3_128_digest, buffer)


def _limits(tensor: torch.Tensor) -> dict[str, Action]:
    """What memory itself allows: reading all of it, and copying all of it."""
    target, words = torch.empty_like(tensor), tensor.view(torch.int64)
    return {"sum that only reads": words.sum, "copy": partial(target.copy_, tensor)}


def _one_thread(name: str, tensor: torch.Tensor, rounds: int) -> Iterator[Row]:
    limits = _limits(tensor) if name in LARGE else {}
    actions: list[Action] = [raw(tensor), partial(tensor_digest, tensor), *limits.values()]
    bare, ours, *others = interleaved(actions, rounds, _repeats(actions[0], MEASUREMENT_SECONDS))
    if tensor.nbytes == KIB:
        more = [1e6 * (one - other) for one, other in zip(ours, bare, strict=True)]
        yield row_of(PART, f"{name}: microseconds over raw xxh3_128", more, SMALL_BAR)
    else:
        bar = RATE_BAR if tensor.nbytes >= BARRED_FROM else None
        yield row_of(PART, f"{name}: rate over raw xxh3_128", ratios(bare, ours), bar)
    for what, seconds in zip(limits, others, strict=True):
        yield row_of(PART, f"{name}: rate of a {what}, over raw xxh3_128", ratios(bare, seconds))
    if name in LARGE:
        yield row_of(PART, f"{name}: raw xxh3_128, GB/s", [tensor.nbytes / 1e9 / one for one in bare])


def _not_contiguous(rounds: int) -> Iterator[Row]:
    """The same bytes in another order in memory, and what bringing them into order costs by itself."""
    images = torch.rand(64, 64, 56, 56).contiguous(memory_format=torch.channels_last)
    for name, tensor in (
        ("channels-last 64x64x56x56", images),
        ("transposed 4096x4096", torch.rand(4096, 4096).t()),
    ):
        ordered = tensor.contiguous()
        actions: list[Action] = [
            partial(tensor_digest, ordered),
            partial(tensor_digest, tensor),
            tensor.contiguous,
        ]
        contiguous, strided, copying = interleaved(actions, rounds)
        yield row_of(PART, f"{name}: time over contiguous", ratios(strided, contiguous))
        yield row_of(PART, f"{name}: time of .contiguous() alone, over it", ratios(copying, contiguous))


def _two_threads(name: str, tensor: torch.Tensor, *, quick: bool) -> Iterator[Row]:
    """What a second thread gives: long blocks with one thread and with two, in turns."""
    place = tensor.data_ptr(), tensor.nbytes, 0
    measured: dict[str, tuple[Action, Action]] = {
        "digest": (partial(digest_address, *place), partial(digest_in_threads, *place, 2))
    }
    measured |= {what: (action, action) for what, action in _limits(tensor).items()}
    for what, actions in measured.items():
        repeats = _repeats(actions[0], BLOCK_SECONDS)
        blocks = [
            partial(_with_threads, count, action, repeats) for count, action in enumerate(actions, start=1)
        ]
        one, two = interleaved(blocks, QUICK_THREAD_ROUNDS if quick else THREAD_ROUNDS)
        bar = THREADS_BAR if what == "digest" else None
        yield row_of(PART, f"{name}: {what} with two threads, rate over one", ratios(one, two), bar)


def _with_threads(threads: int, action: Action, repeats: int) -> None:
    with _threads(threads):
        for _ in range(repeats):
            action()


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _repeats(action: Action, seconds: float) -> int:
    """How often an action is called for a measurement of at least so many seconds."""
    repeats = 1
    while True:
        ((took,),) = interleaved([action], 1, repeats)
        if took * repeats >= seconds:
            return repeats
        repeats *= 2
