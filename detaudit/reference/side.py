"""One side of a comparison: the target at a commit or in the work tree, and the runs of the target."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from detaudit.compare.compare import compare
from detaudit.compare.result import summarize_run
from detaudit.diagnose.failure import failure_notices, why_failed
from detaudit.model.plan import RunOutcome, RunPlan
from detaudit.model.result import Comparison, Notice, RunSummary
from detaudit.run.runs import Runs
from detaudit.trace.reader import TraceReader


@dataclass
class Side:
    """The target of one side."""

    name: str
    plan: RunPlan
    runs: Runs
    outcomes: list[RunOutcome] = field(default_factory=list)
    readers: list[TraceReader] = field(default_factory=list)

    def run(self) -> str | None:
        """Run the target once more; why it failed, or None."""
        number = len(self.outcomes) + 1
        self.runs.progress.note(f"running the target of {self.name}{', again' if number > 1 else ''}")
        outcome = self.runs.once(self.plan, str(number))
        self.outcomes.append(outcome)
        if outcome.trace is not None:
            self.readers.append(TraceReader(outcome.trace))
        reason = why_failed(self.plan, [outcome])
        return None if reason is None else f"{self.name}: {reason}"

    @property
    def first(self) -> TraceReader:
        """The trace of the first run, which must have left one."""
        return self.readers[0]

    def summary(self) -> tuple[RunSummary, ...]:
        """Summarize the first run, without its working directory; empty if the run left no trace."""
        if not self.readers:
            return ()
        run = summarize_run(self.name, self.first)
        rest = {key: value for key, value in run.conditions.items() if key != "working_directory"}
        return (replace(run, conditions=rest),)

    def repeated(self) -> Comparison:
        """Hold the first two runs against each other."""
        first, second = self.readers[:2]
        return compare(first, second, (f"{self.name}, 1", f"{self.name}, 2"))

    def failures(self) -> tuple[Notice, ...]:
        """List what the failed runs wrote."""
        told = failure_notices(self.outcomes)
        return tuple(replace(one, message=f"{self.name}: {one.message}") for one in told)

    def close(self) -> None:
        """Close the traces."""
        for reader in self.readers:
            reader.close()
