"""Add to a finding whose cause is an operator what the operator does when it runs alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from detaudit.diagnose.case import Case
from detaudit.diagnose.diagnosis import Diagnosis
from detaudit.diagnose.kernels import KernelEvidence, brief, evidence_dict, explain_kernel
from detaudit.model.cause import Cause
from detaudit.model.evidence import Evidence, EvidenceKind
from detaudit.model.result import Finding


def elaborate(case: Case, diagnosis: Diagnosis, repro: Path | None = None) -> Diagnosis:
    """Replay the operators that are at fault alone; write scripts that show it to the folder `repro`.

    Costs a run for each of them. Raises OutputError if `repro` cannot be written to.
    """
    findings = tuple(_elaborated(case, finding, repro) for finding in diagnosis.findings)
    return replace(diagnosis, findings=findings)


def _elaborated(case: Case, finding: Finding, repro: Path | None) -> Finding:
    if finding.cause is not Cause.NONDETERMINISTIC_OP:
        return finding
    kernel = explain_kernel(case, finding, repro)
    return finding if kernel is None else with_replay(finding, kernel)


def with_replay(finding: Finding, kernel: KernelEvidence) -> Finding:
    """Put what the replays of an operator gave into the finding that names it."""
    return replace(
        finding,
        evidence=(*finding.evidence, Evidence(EvidenceKind.REPLAY, details=evidence_dict(kernel))),
        message=f"{finding.message}; {brief(kernel)}",
        fix=kernel.alternative if kernel.differs else finding.fix,
    )
