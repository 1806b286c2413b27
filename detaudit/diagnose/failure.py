"""Report in the user's terms what happened to a target that did not run as it should."""

from __future__ import annotations

import signal
from pathlib import Path

from detaudit import nested
from detaudit.model.plan import RunOutcome, RunPlan, TargetKind
from detaudit.model.result import Notice

_OURS = "detaudit: "
_TAIL_LINES = 20
_TAIL_BYTES = 20_000


def why_failed(plan: RunPlan, outcomes: list[RunOutcome]) -> str | None:
    """Explain why there is nothing to compare; None if every run ended well and recorded something."""
    for outcome in outcomes:
        reason = _why(plan, outcome)
        if reason is not None:
            return reason
    return None


def failure_notices(outcomes: list[RunOutcome]) -> tuple[Notice, ...]:
    """Report the end of what the first failed run wrote to standard error."""
    for outcome in outcomes:
        if not outcome.finished:
            text = tail(outcome.stderr)
            return (Notice("target-stderr", f"run {outcome.id} wrote:\n{text}"),) if text else ()
    return ()


def tail(path: Path) -> str:
    """Read the last lines of a file, as text."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _TAIL_BYTES))
        lines = file.read().decode("utf-8", "replace").splitlines()
    return "\n".join(lines[-_TAIL_LINES:])


def _why(plan: RunPlan, outcome: RunOutcome) -> str | None:
    run = f"run {outcome.id}"
    if outcome.timed_out:
        return f"{run} was stopped after {outcome.seconds:.1f} s: it took longer than --timeout allows"
    if outcome.exit_code < 0:
        return f"{run} was ended by signal {signal_name(-outcome.exit_code)} after {outcome.seconds:.1f} s"
    ours = _said_by_us(outcome) if plan.axes else ""
    if outcome.exit_code and ours:
        return ours
    asked = f"{nested.in_words(outcome.nested)}; {nested.HINT}" if outcome.nested else ""
    if outcome.exit_code:
        ended = f"{run} ended with exit status {outcome.exit_code}; only runs that end well are compared"
        return f"{ended}; {asked}" if asked else ended
    if outcome.trace is None:
        itself = " itself" if asked else ""
        return f"{plan.target.name} trains nothing{itself}: {asked or _looked_for(plan)}"
    return None


def _said_by_us(outcome: RunOutcome) -> str:
    """Return the message of a run that could not have the conditions that were asked for; "" if none."""
    last = tail(outcome.stderr).rpartition("\n")[2]
    return last.removeprefix(_OURS) if last.startswith(_OURS) else ""


def signal_name(number: int) -> str:
    """Name a signal by its number: `SIGKILL` for 9."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


def _looked_for(plan: RunPlan) -> str:
    seen = "no module was called, no backward pass ran and no optimizer took a step"
    if plan.target.kind is TargetKind.SCRIPT:
        return f"{seen}, and the file does not define make_model and make_batches"
    return seen
