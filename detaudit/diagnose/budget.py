"""Count what the search for a cause may cost: a number of further runs, or seconds."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from detaudit.options import BUDGET

_SECONDS = "s"


@dataclass(slots=True)
class Budget:
    """What may be spent beyond the first runs, and what has been spent."""

    text: str = BUDGET
    """As the option has it: `32` runs, or `300s`."""
    runs: int = field(default=0, init=False)
    """Further runs so far."""
    started: float = field(default_factory=time.monotonic, init=False)

    @property
    def runs_left(self) -> int | None:
        """Further runs that may still be made; None where seconds are counted."""
        return None if self._in_seconds else max(0, int(self.text) - self.runs)

    @property
    def seconds_left(self) -> float | None:
        """Seconds that may still pass; None where runs are counted."""
        if not self._in_seconds:
            return None
        return max(0.0, float(self.text.removesuffix(_SECONDS)) - (time.monotonic() - self.started))

    @property
    def is_spent(self) -> bool:
        """Whether nothing is left for even a pair of runs."""
        runs, seconds = self.runs_left, self.seconds_left
        return (runs is not None and runs < 2) or (seconds is not None and seconds <= 0)  # noqa: PLR2004 - a pair

    def in_words(self) -> str:
        """Say what was spent, and of what."""
        return f"{self.runs} further runs (--budget {self.text})"

    def left_in_words(self, seconds_per_run: float, side_by_side: int) -> str:
        """Say what is left, and about how long that may take."""
        runs = self.runs_left
        seconds = self.seconds_left
        if runs is None:
            return f"at most {_duration(seconds or 0.0)} more"
        about = _duration(runs * seconds_per_run / side_by_side)
        return f"at most {runs} more runs, {about}"

    @property
    def _in_seconds(self) -> bool:
        return self.text.endswith(_SECONDS)


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"  # noqa: PLR2004 - two digits
