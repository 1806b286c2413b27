"""Replay one operator, where it is the origin, alone with its inputs many times, and compare its results."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path

from detaudit.compare.compare import compare
from detaudit.diagnose.alternatives import alternative
from detaudit.diagnose.call_alone import (
    STRESS_THREADS,
    TIMES,
    Answers,
    ask,
    check_repro,
    strongest,
    write_repro,
)
from detaudit.diagnose.case import Case
from detaudit.errors import RunError
from detaudit.model.plan import Capture
from detaudit.model.result import Finding
from detaudit.model.trace import Kind, Level
from detaudit.record.session import MAIN_TRACE
from detaudit.replay.wire.files import CAPTURED
from detaudit.replay.wire.operators import Replay, SavedCall
from detaudit.trace.reader import TraceReader

SWITCH = "torch.use_deterministic_algorithms(True)"


@dataclass(frozen=True, slots=True)
class KernelEvidence:
    """What an operator did when it was run alone with the inputs that it had in the program."""

    call: SavedCall
    replay: Replay
    """Replays under the run's conditions, or with more threads where only those give a difference."""
    one_thread: Replay | None
    deterministic: Replay | None
    """Replays with deterministic algorithms; None where there are no such replays."""
    deterministic_error: str | None
    """The reason why there are no such replays."""
    filled: bool
    """Whether deterministic algorithms help only by filling memory that the operator reads unwritten."""
    between_processes: bool
    """Whether a second process gave another result, where each of them gave only one."""
    alternative: str
    repro: Path | None = None
    reproduces: bool | None = None
    """Whether the script showed the difference when it was run; None where there is no script."""
    repro_text: str = ""

    @property
    def differs(self) -> bool:
        """Whether the operator alone gives other bits for the same inputs."""
        return self.replay.differs > 0 or self.between_processes


def explain_kernel(
    case: Case, finding: Finding, repro: Path | None = None, occurrence: int | None = None
) -> KernelEvidence | None:
    """Replay the operator that a finding names; write a script that reproduces it to the folder `repro`.

    `occurrence` says which call of the operator in its step it is; None: it is looked up in the traces of the
    case. Returns None where the finding names no operator of the main thread, or it could not be replayed.
    Raises OutputError if `repro` cannot be written to.
    """
    origin = finding.origin
    if origin.op is None or origin.receiver or origin.kind != "value" or origin.stream != "main":
        return None
    if occurrence is None:
        occurrence = find_occurrence(case, finding)
    saved = None if occurrence is None else capture_operator(case, origin.step, origin.op, occurrence)
    if saved is None:
        return None
    case.progress.note(f"replaying {origin.op} alone with these inputs")
    try:
        return examine(saved, repro)
    except RunError as error:
        case.progress.note(error.message)
        return None


def capture_operator(case: Case, step: int, operator: str, occurrence: int) -> Path | None:
    """Run once more to save the arguments of one operator call; None if that run did not come to it."""
    case.progress.note(f"running once more to save the inputs of {operator} in step {step}")
    number = len(list(case.folder.glob("capture*")))
    outcomes = case.run_again(
        f"capture{number}",
        runs=1,
        level=Level.OP,
        window=(step, step + 1),
        capture=Capture(step, operator, occurrence),
    )
    saved = outcomes[0].stdout.parent / CAPTURED
    if saved.exists():
        return saved
    case.progress.note(f"they could not be saved: {_why_not(outcomes[0].trace)}")
    return None


def occurrence_of(reader: TraceReader, stream: int, step: int, sequence: int) -> int:
    """Count the calls of an event's operator that its step has before it, whatever the module or phase.

    Raises KeyError if the step has no such event.
    """
    counts: dict[str, int] = {}
    for event in reader.step(stream, step).events:
        if event.place.kind is Kind.OP:
            counts[event.place.name] = counts.get(event.place.name, -1) + 1
        if event.sequence == sequence:
            return counts[event.place.name]
    raise KeyError(sequence)


def find_occurrence(case: Case, finding: Finding) -> int | None:
    """Which call of its operator a finding is about, from the traces at level `op`; None if none shows it."""
    folders = [(case.folder, finding.origin.run)]
    folders += [(found.parent, ("1", "2")) for found in sorted(case.folder.glob("*/run1-op"))]
    for folder, runs in folders:
        traces = [folder / f"run{run}-op" / MAIN_TRACE for run in runs]
        if all(trace.exists() for trace in traces):
            found = _occurrence_in(traces, finding)
            if found is not None:
                return found
    return None


def _occurrence_in(traces: list[Path], finding: Finding) -> int | None:
    with ExitStack() as stack:
        first, second = (stack.enter_context(TraceReader(trace)) for trace in traces)
        divergence = compare(first, second, ("1", "2")).first
        if divergence is None or divergence.first is None:
            return None
        where = divergence.step, divergence.stream, divergence.first.place.name
        if where != (finding.origin.step, finding.origin.stream, finding.origin.op):
            return None
        stream = next(one.id for one in first.streams if one.label == divergence.stream)
        return occurrence_of(first, stream, divergence.step, divergence.first.sequence)


def examine(saved: Path, repro: Path | None = None, times: int = TIMES) -> KernelEvidence:
    """Replay a saved call under several settings; write a script for it, if it differs, and try the script.

    Raises RunError if the call cannot be replayed, OutputError if `repro` cannot be written to.
    """
    plain = ask(saved, times, "captured", f"stress={STRESS_THREADS}", "single")
    shown = strongest(plain)
    strict = ask(saved, times, "deterministic", "filled")
    if plain.call is None:
        raise RunError("not-replayed", "the operator could not be replayed alone: no answer")
    filled = "filled" in strict.replays and not strict.replays["filled"].differs
    script, reproduces, text = None, None, ""
    if repro is not None and shown.differs:
        script = write_repro(repro, saved, plain.call, shown)
        reproduces, text = check_repro(script)
    return KernelEvidence(
        call=plain.call,
        replay=shown,
        one_thread=plain.replays.get("single"),
        deterministic=strict.replays.get("filled" if filled else "deterministic"),
        deterministic_error=next(iter(strict.errors.values()), None),
        filled=filled,
        between_processes=not shown.differs and _differs_elsewhere(saved, plain),
        alternative=_alternative(plain, strict, filled=filled),
        repro=script,
        reproduces=reproduces,
        repro_text=text,
    )


def _differs_elsewhere(saved: Path, plain: Answers) -> bool:
    """Whether another process gets another result: some algorithms are chosen by how long they take."""
    other = ask(saved, 1, "captured").replays.get("captured")
    here = plain.replays.get("captured")
    return other is not None and here is not None and other.first != here.first


def _alternative(plain: Answers, strict: Answers, *, filled: bool) -> str:
    """Say what to do instead: what is known of the operator, and the switches that were seen to help."""
    ways = []
    call = plain.call
    if call is not None:
        known = alternative(call.operator, call.device, accumulate=call.accumulate, backward=call.backward)
        ways = [] if known is None else [known]
    deterministic, one_thread = strict.replays.get("deterministic"), plain.replays.get("single")
    if deterministic is not None and not deterministic.differs:
        ways.append(f"{SWITCH}, under which none of {deterministic.times} replays differed")
    elif filled:
        ways.append(f"{SWITCH}, which fills the unwritten memory that the operator reads")
    elif one_thread is not None and not one_thread.differs:
        ways.append(f"torch.set_num_threads(1), with which none of {one_thread.times} replays differed")
    return "; or ".join(ways) or "none is known; compute it on another device or in a wider type"


def _why_not(trace: Path | None) -> str:
    if trace is None:
        return "the run left no trace"
    with TraceReader(trace) as reader:
        return next(iter(reader.info.problems), "the run did not reach that call")


def sentence(kernel: KernelEvidence) -> str:
    """Say in one sentence what was seen."""
    replay = kernel.replay
    parts = [f"replayed alone {replay.times} times with its inputs saved: {_results(kernel)}"]
    if kernel.deterministic is not None:
        why = ", because that fills the unwritten memory that the operator reads" if kernel.filled else ""
        parts.append(f"with {SWITCH}: {kernel.deterministic.distinct}{why}")
    elif kernel.deterministic_error is not None:
        parts.append(f"with {SWITCH}: {kernel.deterministic_error}")
    if kernel.one_thread is not None:
        parts.append(f"with one thread: {kernel.one_thread.distinct}")
    if kernel.repro is not None:
        does = "reproduces it" if kernel.reproduces else "does not reproduce it"
        parts.append(f"{kernel.repro} {does} ({kernel.repro_text})")
    return "; ".join(parts)


def brief(kernel: KernelEvidence) -> str:
    """Say the main thing of it: what the replays gave, and where the script is."""
    text = f"replayed alone {kernel.replay.times} times: {_results(kernel)}"
    shows = "shows it" if kernel.reproduces else "does not show it"
    return text if kernel.repro is None else f"{text}; {kernel.repro} {shows}"


def _results(kernel: KernelEvidence) -> str:
    replay = kernel.replay
    threads = ""
    if len(replay.threads_tried) > 1:
        threads = f" with {replay.threads} threads"
    if not replay.differs:
        also = f", also{threads}" if threads else ""
        elsewhere = ", but a different result in another process" if kernel.between_processes else ""
        return f"always the same result{also}{elsewhere}"
    ulp = "" if replay.largest_ulp is None else f" ({replay.largest_ulp:.3g} ULP)"
    nan = f", {replay.not_a_number} elements are NaN in one result only" if replay.not_a_number else ""
    only = f"{threads} (a single result with {replay.threads_tried[0]})" if threads else ""
    largest = f"largest difference {replay.largest_absolute:.2g}{ulp}{nan}"
    return f"{replay.distinct} distinct results{only}, {largest}"


def evidence_dict(kernel: KernelEvidence) -> dict[str, object]:
    """Return the evidence as JSON can hold it."""
    return {
        "operator": kernel.call.operator,
        "arguments": dict(kernel.call.arguments),
        "replay": _replay_dict(kernel.replay),
        "one_thread": None if kernel.one_thread is None else _replay_dict(kernel.one_thread),
        "deterministic": None if kernel.deterministic is None else _replay_dict(kernel.deterministic),
        "deterministic_error": kernel.deterministic_error,
        "filled": kernel.filled,
        "between_processes": kernel.between_processes,
        "alternative": kernel.alternative,
        "repro": None if kernel.repro is None else str(kernel.repro),
        "reproduces": kernel.reproduces,
        "text": sentence(kernel),
    }


def _replay_dict(replay: Replay) -> dict[str, object]:
    values = asdict(replay)
    for name in ("largest_absolute", "largest_relative", "largest_ulp"):
        # JSON has no infinity.
        is_number = values[name] is None or isfinite(values[name])
        values[name] = values[name] if is_number else str(values[name])
    values["shape"], values["threads_tried"] = list(replay.shape), list(replay.threads_tried)
    return values
