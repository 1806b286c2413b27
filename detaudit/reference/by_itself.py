"""Audit a target that does not repeat itself: such a target cannot be compared with a reference."""

from __future__ import annotations

from dataclasses import replace

from detaudit.compare.result import finding_from
from detaudit.diagnose.audit import audit_target
from detaudit.diagnose.options import AuditOptions
from detaudit.model.plan import Target
from detaudit.model.result import AuditResult, Comparison, Notice, ReferenceComparison, Verdict
from detaudit.run.progress import Progress


def audited_by_itself(
    target: Target,
    options: AuditOptions,
    progress: Progress,
    *,
    reference: ReferenceComparison,
    unequal: Comparison,
    told: str,
) -> AuditResult:
    """Audit the target by itself, and add the reference that it was not held against to the answer.

    `unequal` are the two runs that showed it: where those of the audit agree, the fault is a rare one, and
    the verdict is `not-reproducible` all the same. `told` says what was not held against what.
    """
    keep = None if options.keep is None else options.keep / "audit"
    audited = audit_target(target, replace(options, keep=keep), progress)
    notice = Notice("reference-not-comparable", told)
    result = replace(audited, references=(reference,), notices=(notice, *audited.notices))
    if audited.verdict is not Verdict.REPRODUCIBLE:
        return result
    finding = finding_from(unequal, differs=1, pairs=2)
    return replace(result, verdict=Verdict.NOT_REPRODUCIBLE, findings=(finding,))
