"""What a user can say about runs, whatever they are compared with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from detaudit.model.plan import RunPlan, Target
from detaudit.model.trace import Level
from detaudit.options import AUTO


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a target is run."""

    steps: int | None = None
    """Stop each run after this many steps; None: let it end by itself."""
    level: str = AUTO
    """How closely a run is recorded; `auto`: as closely as the question needs."""
    seed: int = 0
    """For targets that detaudit seeds."""
    timeout: float | None = None
    """Seconds that one run may take."""
    jobs: str = AUTO
    """The number of runs at a time; `auto`: the first runs one by one, further runs as many as the machine
    carries."""
    launch: str | None = None
    """The launcher that starts the target, as it is typed; None: Python itself."""
    keep: Path | None = None
    """The folder that the traces stay in; None: they are removed."""

    @property
    def first_jobs(self) -> int:
        """How many of the first runs go side by side: one by one, if that is not asked for."""
        return 1 if self.jobs == AUTO else int(self.jobs)

    def level_or(self, usual: Level) -> Level:
        """Give the level that is asked for; `usual` where none is."""
        return usual if self.level == AUTO else Level(self.level)

    def plan(self, target: Target, runs: int = 1, *, jobs: int = 1) -> RunPlan:
        """Plan runs of a target, `jobs` at a time; at level `layer` unless another one is asked for."""
        return RunPlan(target, runs, self.level_or(Level.LAYER), self.seed, self.steps, self.timeout, jobs)
