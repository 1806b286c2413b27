"""Propose a patch of the user's file where a fix needs no thought, and check that the copy is reproducible.

The copy runs as the original does, with two differences: it is another file (`__file__`, and what is found by
it, is in the folder of the copy), and the folder of the original stands second on the path of imports. The
user's own file is read, and never written.

Only what has to change does: edits go by positions in the syntax tree, and other lines, comments and line
endings stay.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from difflib import SequenceMatcher, unified_diff
from pathlib import Path

from detaudit.compare.compare import compare
from detaudit.compare.result import why_unverified
from detaudit.compare.scope import narrowed
from detaudit.diagnose.case import Case
from detaudit.diagnose.diagnosis import Diagnosis
from detaudit.diagnose.failure import why_failed
from detaudit.diagnose.patching.hashes import fix_hash_order
from detaudit.diagnose.patching.library import fix_library
from detaudit.diagnose.patching.orders import fix_delivery, fix_listing
from detaudit.diagnose.patching.seeds import fix_order, fix_unseeded
from detaudit.diagnose.patching.source import Edit, SourceFile
from detaudit.diagnose.patching.workers import fix_worker_seeds
from detaudit.errors import OutputError
from detaudit.model.cause import Cause
from detaudit.model.evidence import Evidence, EvidenceKind
from detaudit.model.plan import Target, TargetKind
from detaudit.model.result import Finding, Notice
from detaudit.model.trace import Level
from detaudit.trace.reader import TraceReader

RUNS = 2

Fix = Callable[[SourceFile, str, int, str | None], list[Edit] | None]

_FIXES: dict[str, Fix] = {
    Cause.UNSEEDED_PYTHON: fix_unseeded,
    Cause.UNSEEDED_NUMPY: fix_unseeded,
    Cause.UNSEEDED_TORCH: fix_unseeded,
    Cause.SEED_ORDER: fix_order,
    Cause.UNSEEDED_LIBRARY: fix_library,
    Cause.FS_ORDER: fix_listing,
    Cause.HASH_ORDER: fix_hash_order,
    Cause.COMPLETION_ORDER: fix_delivery,
    Cause.WORKER_ORDER: fix_delivery,
    Cause.WORKER_SEEDING: fix_worker_seeds,
}


@dataclass(frozen=True, slots=True)
class Check:
    """What runs of the patched copy gave."""

    reproducible: bool | None
    """None where the runs cannot be compared."""
    words: str


def refuse_occupied(target: Target, folder: Path) -> None:
    """Raise OutputError if something is there already that the patched copy would take the place of."""
    if target.path is None:
        return
    for path in (folder / target.path.name, _patch_of(folder / target.path.name)):
        if path.exists() or path.is_symlink():
            raise OutputError("output-unwritable", f"{path} exists already", "name a new folder with --fix")


def fix(case: Case, diagnosis: Diagnosis, folder: Path) -> tuple[Diagnosis, list[Notice]]:
    """Write a patched copy of the target and a patch to a folder, and run the copy.

    Returns the diagnosis with the result in each finding that was patched, and what there is to tell. Raises
    OutputError if the folder cannot be written to.
    """
    original = case.plan.target.path
    if original is None or case.plan.target.kind is TargetKind.MODULE or not original.is_file():
        text = "no patched copy: only a target that is named by its file can be patched"
        return diagnosis, [Notice("not-patched", text)]
    copy = folder / original.name
    patched, left = _write(original, copy, diagnosis.findings, case.folder / "drafts")
    notices = [Notice("not-patched", text) for text in left]
    if not patched:
        return diagnosis, notices
    check = _check(case, original, copy)
    patch = {"patched": str(copy), "patch": str(_patch_of(copy)), "reproducible": check.reproducible}
    evidence = Evidence(EvidenceKind.PATCH, pairs=RUNS - 1, details=patch)
    findings = tuple(
        replace(one, evidence=(*one.evidence, evidence)) if one in patched else one
        for one in diagnosis.findings
    )
    told = Notice("patched", f"the patched copy {copy} {check.words}")
    return replace(diagnosis, findings=findings), [told, *notices]


def apply(original: Path, copy: Path, findings: tuple[Finding, ...]) -> tuple[list[Finding], list[str]]:
    """Patch `copy`, which is as `original` is, for each finding in turn.

    Returns the findings that a change was made for, and for the others why none was.
    """
    patched, left = [], []
    for finding in findings:
        if finding.cause is None:
            left.append("no patch for a difference without a known cause")
            continue
        line = _line(original, finding)
        moved = new_line(original.read_bytes().decode(), copy.read_bytes().decode(), line)
        text = propose(copy, finding.cause, moved, finding.symbol)
        if text is not None:
            copy.write_bytes(text.encode())
        # A change that was made for another finding may be the one for this, too.
        if text is not None or propose(original, finding.cause, line, finding.symbol) is not None:
            patched.append(finding)
        else:
            left.append(_why_not(original, finding))
    return patched, left


def new_line(old: str, new: str, line: int) -> int:
    """Where a line of a text is in a later version of the text; both count from 1, and 0 stays 0."""
    if not line:
        return 0
    matcher = SequenceMatcher(None, old.split("\n"), new.split("\n"), autojunk=False)
    for _, start, end, new_start, new_end in matcher.get_opcodes():
        if start < line <= end:
            return min(new_start + line - start, max(new_end, 1))
    return line


def _write(
    original: Path, copy: Path, findings: tuple[Finding, ...], drafts: Path
) -> tuple[list[Finding], list[str]]:
    """Write the patched copy and its patch; nothing where nothing could be changed."""
    try:
        drafts.mkdir()
        draft = drafts / original.name
        draft.write_bytes(original.read_bytes())
        patched, left = apply(original, draft, findings)
        if patched:
            text = draft.read_bytes().decode()
            copy.parent.mkdir(parents=True, exist_ok=True)
            _write_new(copy, text)
            _write_new(_patch_of(copy), diff(original, text))
    except OSError as error:
        message = f"{error.filename or copy} could not be written: {error.strerror}"
        raise OutputError("output-unwritable", message, "name another folder with --fix") from error
    except UnicodeDecodeError:
        return [], [f"no patched copy: {original} is not UTF-8"]
    return patched, left


def _write_new(path: Path, text: str) -> None:
    # What came to be there during the audit is not ours.
    with path.open("xb") as file:
        file.write(text.encode())


def _patch_of(copy: Path) -> Path:
    return copy.with_name(f"{copy.name}.patch")


def _line(original: Path, finding: Finding) -> int:
    """Return the guilty line; 0 if it is not in the target, where a seed may help all the same."""
    site = finding.site
    return site.line if site is not None and Path(site.file).resolve() == original.resolve() else 0


def _why_not(original: Path, finding: Finding) -> str:
    site = finding.site
    if site is not None and not _line(original, finding):
        return f"no patch for {finding.cause}: its line is in another file, {site.file}:{site.line}"
    where = "" if site is None else f" on line {site.line}"
    return f"no patch for {finding.cause}{where}: the change is not a mechanical one"


def _check(case: Case, original: Path, copy: Path) -> Check:
    """Run the patched copy and compare the runs."""
    case.progress.note(f"running the patched copy {copy}")
    plan = replace(
        case.plan,
        target=replace(case.plan.target, path=copy, name=str(copy)),
        runs=RUNS,
        level=Level.LAYER,
        import_from=original.absolute().parent,
    )
    trial = Case(plan, case.runs.below("patched"))
    outcomes = trial.run()
    case.budget.runs += len(outcomes)
    failed = why_failed(plan, outcomes)
    if failed is not None:
        return Check(None, f"could not be checked: {failed}")
    with ExitStack() as stack:
        readers = {
            one.id: stack.enter_context(TraceReader(one.trace)) for one in outcomes if one.trace is not None
        }
        comparison = narrowed(compare(readers["1"], readers["2"]), case.asked)
        reason = why_unverified(readers, [comparison])
    if not comparison.equal:
        return Check(reproducible=False, words=f"is still not reproducible: {RUNS} runs differ")
    if reason is not None:
        return Check(None, f"could not be checked: {reason}")
    return Check(reproducible=True, words=f"is reproducible: {RUNS} runs are equal")


def propose(path: Path, cause: str, line: int, symbol: str | None) -> str | None:
    """Return what a file is to be for a cause to go away.

    Args:
        path: a Python file of the user's; it is read and left as it is.
        cause: the label of the cause.
        line: the guilty line in that file, from 1; 0 if it is in another one, and a seed may be set here.
        symbol: what is called there, by its full name, where that is known.

    Returns the file's new text, which is Python again; None where the change is not a mechanical one, or
    where the file cannot be read. That the change helps is for a run to show.
    """
    fix = _FIXES.get(cause)
    source = SourceFile.read(path) if fix else None
    if fix is None or source is None:
        return None
    edits = fix(source, cause, line, symbol)
    return source.edited(edits) if edits else None


def diff(path: Path, new_text: str, *, root: Path | None = None) -> str:
    """Return the change of a file as a unified diff, for `git apply` or `patch -p1`.

    Args:
        path: the file as it is.
        new_text: what it is to be.
        root: the folder to apply it in, by default the current one; outside of it, the file's name alone is
            used.
    """
    folder, file = (root or Path.cwd()).resolve(), path.resolve()
    name = file.relative_to(folder).as_posix() if file.is_relative_to(folder) else file.name
    # After a name with a space in it, both tools look for a tab.
    name += "\t" if " " in name else ""
    lines = unified_diff(_lines(path.read_bytes().decode()), _lines(new_text), f"a/{name}", f"b/{name}")
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines
    )


def _lines(text: str) -> list[str]:
    """Return the lines of a text with their ends, which for these tools are line feeds only."""
    return [f"{line}\n" for line in text.split("\n")[:-1]] + (
        [rest] if (rest := text.rpartition("\n")[2]) else []
    )
