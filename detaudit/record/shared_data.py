"""Find tensors that several threads change and read in turns, and the lines that do so.

The notes say which threads came between two accesses of one thread, and how often. Where timing alone
decides that, two runs note different things.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import torch
from torch.multiprocessing.reductions import StorageWeakRef

from detaudit.model.ledger import Act, Fact
from detaudit.sources.polls import SCHEDULE
from detaudit.sources.taps import Taps

_FACTS = {
    (True, True): Fact(Act.WRITES_SHARED_DATA),
    (False, True): Fact(Act.READS_SHARED_DATA),
    (True, False): Fact(Act.WRITES_SHARED_DATA_BESIDE),
    (False, False): Fact(Act.READS_SHARED_DATA_BESIDE),
}
"""The fact to note of an access, by whether the access writes and whether the main thread makes it."""


@dataclass(slots=True)
class _Access:
    """The last access of a thread to a piece of memory, and the accesses of other threads since."""

    operator: str
    site: bytes
    writes: bool
    is_main: bool
    others: dict[int, list[int]] = field(default_factory=dict)
    """The number of reads and of writes by each other thread since, by the thread's number."""


@dataclass(slots=True)
class _SharedMemory:
    ref: StorageWeakRef
    by_thread: dict[int, _Access] = field(default_factory=dict)


class SharedData:
    """Keeps account of the memory that operators change in place, once a second thread exists."""

    def __init__(self, taps: Taps) -> None:
        self._taps = taps
        self._memory: dict[int, _SharedMemory] = {}
        self._numbers: dict[int, int] = {}

    def accessed(self, operator: str, read: list[torch.Tensor], written: list[torch.Tensor]) -> None:
        """Take in what an operator has read, and changed in place."""
        if not written and not self._memory:
            return
        site: bytes | None = None
        for tensors, writes in ((read, False), (written, True)):
            for tensor in tensors:
                memory = self._find(tensor, make=writes)
                if memory is not None:
                    site = site or self._taps.lines.here()
                    self._account(memory, operator, site, writes=writes)

    def _find(self, tensor: torch.Tensor, *, make: bool) -> _SharedMemory | None:
        try:
            storage = tensor.untyped_storage()
            address = storage.data_ptr()
        except (RuntimeError, NotImplementedError):
            # Sparse, fake and wrapped tensors have no memory of their own.
            return None
        memory = self._memory.get(address)
        if memory is not None and memory.ref.expired():
            memory = None
        if memory is None and make and address:
            memory = self._memory[address] = _SharedMemory(StorageWeakRef(storage))
        return memory

    def _account(self, memory: _SharedMemory, operator: str, site: bytes, *, writes: bool) -> None:
        thread = threading.get_ident()
        is_main = thread == threading.main_thread().ident
        # By order of appearance: an identifier is not the same in the next run.
        number = self._numbers.setdefault(thread, 0 if is_main else len(self._numbers) + 1)
        access = _Access(operator, site, writes, is_main)
        before = memory.by_thread.get(number)
        if before is not None and before.others:
            self._note(memory, access, before.others)
        memory.by_thread[number] = access
        for other, seen in list(memory.by_thread.items()):
            if other != number:
                seen.others.setdefault(number, [0, 0])[writes] += 1

    def _note(self, memory: _SharedMemory, access: _Access, others: dict[int, list[int]]) -> None:
        """Note both sides, if one of them writes: the thread that comes back, and who came between."""
        if not access.writes and not any(writes for _, writes in others.values()):
            return
        value = repr(sorted(others.items())).encode()
        between = [memory.by_thread[other] for other in others]
        for one in (access, *between):
            fact = _FACTS[one.writes, one.is_main]
            self._taps.ledger.note(SCHEDULE, one.operator, one.site, value, fact)
