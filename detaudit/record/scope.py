"""Replace functions of the process for recording: for good, or for a time with an undo at the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_ABSENT = object()


class RecordingScope:
    """Puts functions in the place of others. A lasting one forgets what was there before."""

    def __init__(self, *, lasting: bool = True) -> None:
        self._lasting = lasting
        self._undo: list[Callable[[], object]] = []

    def replace(self, owner: Any, name: str, value: object) -> None:
        """Set `owner.name`; at the end, restore the earlier value unless others have set the name since."""
        before = vars(owner).get(name, _ABSENT)
        setattr(owner, name, value)

        def restore() -> None:
            if vars(owner).get(name) is not value:
                return
            if before is _ABSENT:
                delattr(owner, name)
            else:
                setattr(owner, name, before)

        self.on_end(restore)

    def on_end(self, undo: Callable[[], object]) -> None:
        """Have a function called at the end, to undo a change."""
        # A lasting scope has no end, and its list would grow with every parameter that is made.
        if not self._lasting:
            self._undo.append(undo)

    def end(self) -> None:
        """Take everything back, the last first."""
        while self._undo:
            self._undo.pop()()
