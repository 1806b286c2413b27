"""Hold what this process is in the trace: its name, its role and its rank."""

from __future__ import annotations

from detaudit.model.trace import Rank, StreamRole
from detaudit.record.ranks import own_rank, rank_of_launcher
from detaudit.record.session import Session

TRAINING = frozenset({StreamRole.MAIN, StreamRole.RANK})
"""The roles of processes whose steps are counted."""


class TracedProcess:
    """The process that is recorded; its name is the same in every run."""

    def __init__(self, session: Session) -> None:
        self._session = session
        inherited = own_rank()
        self.may_be_rank = inherited is None
        """False for a process that a rank has forked: it has the rank's group, and is no rank itself."""
        self._parent = rank_of_launcher() if inherited is None else inherited.name
        self._name: str | None = None
        self.role = StreamRole.MAIN if session.is_main else StreamRole.PROCESS
        self.rank: Rank | None = None
        """Its rank in a distributed training; None as long as it is not known to have one."""

    @property
    def name(self) -> str:
        """The name: `main`, `rank 1`, `rank 1/loader worker 0`."""
        if self._name is None:
            name = self._session.process_name()
            self._name = name if self._session.is_main else self._below_parent(name)
        return self._name

    def rename(self, name: str, role: StreamRole) -> None:
        """Give the process a name of its own (a loader worker's)."""
        self._name, self.role = self._below_parent(name), role

    def become(self, rank: Rank) -> None:
        """Take the name of a rank; the program's main process stays that."""
        self.rank, self._name = rank, rank.name
        if self.role is StreamRole.PROCESS:
            self.role = StreamRole.RANK

    def role_of(self, thread: str) -> StreamRole:
        """Return the role of a thread, by its label."""
        return StreamRole.THREAD if self.role in TRAINING and thread != "main" else self.role

    def _below_parent(self, name: str) -> str:
        """Put the rank that the process belongs to before its name: ranks have workers of the same name."""
        return f"{self._parent}/{name}" if self._parent else name
