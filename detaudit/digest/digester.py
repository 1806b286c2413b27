"""Digests of values on a device: started where the values occur, collected by one copy to the host."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from types import ModuleType
from typing import Any

import numpy as np
import torch

from detaudit.digest.algorithm import LEAF_BYTES
from detaudit.digest.leaves import LENGTH, PLACE, Leaves, Numbers, Table, leaves_of
from detaudit.torch_private.modes import Unseen

ROWS = 1 << 20
"""Rows of the workspace, at most: 64 MiB, for the leaves of about 1 GiB of values."""

_FEWEST_ROWS = 1 << 12


class CapturingError(RuntimeError):
    """Nothing may be launched or waited for now: a CUDA graph is being captured on the current stream.

    Or a signal's handler interrupted the digester and wants it to digest.
    """


class DeviceDigest:
    """A digest that is still on a device, or was until it was collected."""

    __slots__ = ("_digest", "_digester")

    def __init__(self, digester: DeviceDigester) -> None:
        self._digester: DeviceDigester | None = digester
        self._digest: bytes | None = None

    def resolve(self) -> bytes:
        """Return the 16 bytes; collects, and so waits for the device, if that was not done yet."""
        if self._digester is not None:
            self._digester.collect()
        if self._digest is None:
            raise RuntimeError("the digest was not collected: its values could not be read on the device")
        return self._digest

    def settle(self, digest: bytes) -> None:
        """Take the digest over from the device."""
        self._digest = digest
        self._digester = None


class DeviceDigester:
    """Computes digests on one device, in the order of the stream that is current at construction.

    `rows` bounds the workspace: what does not fit at once is done part by part, without waiting in between.
    """

    def __init__(self, device: torch.device, rows: int = ROWS, blocks_per_program: int | None = None) -> None:
        from detaudit.digest import kernels

        if kernels.INTERPRETED and device.type != "cpu":
            raise RuntimeError("TRITON_INTERPRET is set, and the interpreter cannot read a device's memory")
        self._most_rows = max(rows, LEAF_BYTES // kernels.BLOCK_BYTES + kernels.ROWS_BESIDES_BLOCKS)
        self._blocks_per_program = blocks_per_program or kernels.BLOCKS_PER_PROGRAM
        self._kernels: ModuleType = kernels
        self._alignment = kernels.ALIGNMENT
        self._process = os.getpid()
        self._device = device
        self._stream = stream_of(device)
        self._lock = threading.RLock()
        self._busy = False
        with self._in_order():
            self._constants = self._sent(np.array(kernels.CONSTANTS, dtype=np.int64))
            self._rows = torch.empty(0, dtype=torch.int64, device=device)
        self._rows_used = 0
        self._unfinished: list[Table] = []
        self._forget()

    def _forget(self) -> None:
        """Start anew after what was submitted has been settled."""
        self._finished: list[torch.Tensor] = []
        self._slots: list[torch.Tensor] = []
        self._longs, self._shorts = 0, 0
        self._submitted: list[tuple[tuple[DeviceDigest, ...], Leaves, int, int]] = []

    def submit(self, values: Sequence[tuple[torch.Tensor, int]]) -> list[DeviceDigest]:
        """Start to digest strided tensors, each with its seed, as they are now in the order of the stream."""
        if not values:
            return []
        with self._in_order():
            # Until the kernels are launched, this keeps the copies that had to be made.
            plain = [self._plain(tensor) for tensor, _ in values]
            leaves = leaves_of(
                [tensor.data_ptr() for tensor in plain],
                [tensor.nbytes for tensor in plain],
                [seed for _, seed in values],
                shortest=self._kernels.SHORT_BYTES + 1,
            )
            # Counted before: what a failure leaves behind on the device belongs to nobody.
            first_long, first_short = self._longs, self._shorts
            self._accumulate(leaves.table[~leaves.short])
            self._gather(leaves.table[leaves.short])
            digests = tuple(DeviceDigest(self) for _ in plain)
            self._submitted.append((digests, leaves, first_long, first_short))
            return list(digests)

    def collect(self) -> None:
        """Settle all that was submitted, with one copy to the host; waits for the device."""
        with self._in_order():
            if not self._submitted:
                return
            self._finish()
            parts = [part.view(-1) for part in (*self._finished, *self._slots)]
            collected = torch.cat(parts).cpu().numpy()
            longs = collected[: 2 * self._longs].astype(">i8").view(np.uint8).reshape(-1, 16)
            shorts = collected[2 * self._longs :].view(np.uint8).reshape(-1, self._kernels.SLOT_BYTES)
            for digests, leaves, long, short in self._submitted:
                count = int(leaves.short.sum())
                last_long = long + len(leaves.table) - count
                made = leaves.digests(longs[long:last_long], shorts[short : short + count])
                for digest, settled in zip(digests, made, strict=True):
                    digest.settle(settled)
            self._forget()

    @contextlib.contextmanager
    def _in_order(self) -> Iterator[None]:
        """Let one thread at a time in, on this digester's stream, and only where launches are possible."""
        if os.getpid() != self._process:
            raise RuntimeError("a device's digests cannot be computed in a forked process")
        with self._lock, _current(self._stream), Unseen():
            if self._stream is not None and torch.cuda.is_current_stream_capturing():
                raise CapturingError("a CUDA graph is being captured")
            # The lock lets its own thread pass: a signal's handler must not wait for what it interrupts.
            if self._busy:
                raise CapturingError("the digester was interrupted by a signal")
            self._busy = True
            try:
                yield
            finally:
                self._busy = False

    def _plain(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the tensor if the kernels can read it as it lies, else a copy that they can read."""
        if tensor.device != self._device:
            raise ValueError(f"a tensor on {tensor.device} cannot be digested on {self._device}")
        if not tensor.is_contiguous() or tensor.is_conj() or tensor.is_neg():
            tensor = tensor.detach().resolve_conj().resolve_neg().contiguous()
        size = tensor.nbytes
        # Reading memory that was freed would end the program.
        if size and tensor.untyped_storage().nbytes() < tensor.storage_offset() * tensor.itemsize + size:
            raise ValueError("the storage of a tensor was freed: it has no values")
        if tensor.data_ptr() % self._alignment:
            tensor = tensor.detach().clone(memory_format=torch.contiguous_format)
        return tensor

    def _accumulate(self, leaves: Table) -> None:
        """Start to sum up the blocks of long leaves, as many at a time as there is room for."""
        blocks = (leaves[:, LENGTH] - 1) // self._kernels.BLOCK_BYTES
        ends = np.cumsum(blocks + self._kernels.ROWS_BESIDES_BLOCKS)
        start, before = 0, 0
        while start < len(leaves):
            self._make_room(int(ends[-1]) - before)
            room = len(self._rows) // 8 - self._rows_used
            stop = int(np.searchsorted(ends, before + room, side="right"))
            if stop == start:
                self._finish()
                continue
            part = leaves[start:stop].copy()
            part[1:, PLACE] = ends[start : stop - 1] - before
            part[:, PLACE] += self._rows_used
            self._launch_accumulate(part, int(blocks[start:stop].max()) + 1)
            self._unfinished.append(part)
            self._longs += len(part)
            self._rows_used += int(ends[stop - 1]) - before
            start, before = stop, int(ends[stop - 1])

    def _launch_accumulate(self, leaves: Table, most_blocks: int) -> None:
        tiles = -(-most_blocks // self._blocks_per_program)
        self._kernels.accumulate[len(leaves) * tiles,](
            self._sent(leaves), self._constants, self._rows, tiles, self._blocks_per_program, num_warps=4
        )

    def _make_room(self, rows: int) -> None:
        """Enlarge the workspace if it is too small for so many rows more and not yet at its limit."""
        held = len(self._rows) // 8
        if self._rows_used + rows <= held or held >= self._most_rows:
            return
        self._finish()
        wanted = max(rows, 2 * held, _FEWEST_ROWS)
        self._rows = torch.empty(min(wanted, self._most_rows) * 8, dtype=torch.int64, device=self._device)

    def _finish(self) -> None:
        """Start to make digests of all rows in the workspace, which is free for others then."""
        if not self._unfinished:
            return
        leaves = np.concatenate(self._unfinished)
        digests = torch.empty((len(leaves), 2), dtype=torch.int64, device=self._device)
        most_blocks = (int(leaves[:, LENGTH].max()) - 1) // self._kernels.BLOCK_BYTES
        at_once = self._kernels.LEAVES_PER_PROGRAM
        self._kernels.finish[-(-len(leaves) // at_once),](
            self._sent(leaves), self._constants, self._rows, digests, len(leaves), most_blocks, at_once,
            num_warps=1,
        )  # fmt: skip
        self._finished.append(digests)
        self._unfinished.clear()
        self._rows_used = 0

    def _gather(self, leaves: Table) -> None:
        """Start to copy short leaves."""
        if not len(leaves):
            return
        leaves[:, PLACE] = np.arange(len(leaves))
        size = self._kernels.SLOT_BYTES
        slots = torch.empty((len(leaves), size // 8), dtype=torch.int64, device=self._device)
        self._kernels.gather[len(leaves),](self._sent(leaves), slots.view(torch.uint8), size, num_warps=1)
        self._slots.append(slots)
        self._shorts += len(leaves)

    def _sent(self, numbers: Table | Numbers) -> torch.Tensor:
        """Copy numbers to the device, ordered by the stream; pinned memory is kept until it was read."""
        if self._stream is None:
            return torch.from_numpy(numbers)
        pinned = torch.empty(numbers.shape, dtype=torch.int64, device="cpu", pin_memory=True)
        pinned.numpy()[...] = numbers
        return pinned.to(self._device, non_blocking=True)


def stream_of(device: torch.device) -> torch.cuda.Stream | None:
    """Return the current stream of a device that has streams; None for other devices."""
    return torch.cuda.current_stream(device) if device.type == "cuda" else None


def _current(stream: torch.cuda.Stream | None) -> AbstractContextManager[Any]:
    return contextlib.nullcontext() if stream is None else torch.cuda.stream(stream)
