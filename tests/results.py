"""Answers for the tests of what shows and stores them."""

from __future__ import annotations

from dataclasses import replace

from detaudit.model.evidence import Evidence, EvidenceKind
from detaudit.model.result import (
    Affected,
    AuditResult,
    Compared,
    Finding,
    Notice,
    Origin,
    ReferenceComparison,
    ReferenceState,
    RunSummary,
    TargetSummary,
    Verdict,
)
from detaudit.model.trace import Site
from detaudit.model.variation import Apart, Growth, LayerNumbers, OperatorNumbers, Variation

TARGET = TargetSummary("script", "train.py", ("--epochs", "3"))


def runs(count=2):
    return tuple(
        RunSummary(
            id=str(number + 1),
            conditions={"threads": 2},
            steps=12,
            events=3456,
            exit_code=0,
            seconds=3.25,
            overhead_seconds=0.25,
            environment={"torch": "2.13.0", "flags": {"deterministic": False}},
            final_digest="0123456789abcdef0123456789abcdef",
        )
        for number in range(count)
    )


def compared(pairs=1):
    bound = {"confidence": 0.95, "agreement_at_least": 0.05 ** (2 / (pairs + 1))}
    return Compared(pairs, 12, 3456 * pairs, "layer", ("device", "number of threads"), bound)


def finding(**changes):
    values = {
        "id": "difference-1",
        "cause": None,
        "confirmed": False,
        "evidence": (Evidence(EvidenceKind.CONTROL, control="numpy-global", equal_pairs=5),),
        "origin": Origin(("1", "2"), 3, "forward", "conv1", None, "output of module conv1", root="Net"),
        "site": Site("train.py", 22, "forward", "x = self.conv1(x)", "nn/modules.py:5 in call"),
        "other_sites": (Site("train.py", 30, "main"),),
        "symbol": None,
        "message": "the output of module conv1 differs although its inputs agree",
        "fix": None,
        "rate": {"differs": 1, "pairs": 1},
        "affects": Affected(12, 9, 3),
    }
    return Finding(**{**values, **changes})


def equal(pairs=1):
    return AuditResult(Verdict.REPRODUCIBLE, None, TARGET, runs(pairs + 1), compared(pairs), ())


def differing(*notices, **changes):
    notes = tuple(Notice("note", text) for text in notices)
    return AuditResult(
        Verdict.NOT_REPRODUCIBLE,
        None,
        TARGET,
        runs(),
        compared(),
        (finding(**changes),),
        ("more of it",),
        notices=notes,
    )


def unverified(*notices):
    return AuditResult(
        Verdict.UNVERIFIED, "run 2 ended with exit code 5", TARGET, runs(), None, (), notices=notices
    )


def reference(state=ReferenceState.DIFFERS, **changes):
    differs = state is ReferenceState.DIFFERS
    values = {
        "kind": "lock",
        "name": "detaudit.lock",
        "state": state,
        "commit": None,
        "difference": "numeric" if differs else None,
        "first": Origin(("lock", "1"), 0, "forward", "fc1", None, "output of module fc1", root="Net"),
        "differing": 12 if differs else 0,
        "compared": 40,
        "relative": 3e-7 if differs else None,
        "tolerance": None,
    }
    return ReferenceComparison(**{**values, **changes})


def held(*references):
    """A run that is what its references have, or near enough."""
    return AuditResult(
        Verdict.REPRODUCIBLE, None, TARGET, runs(1), compared(), (), references=tuple(references)
    )


def changed(*references, **changes):
    """A run that is not what its reference has."""
    values = {
        "id": f"differs-from-{references[0].kind}",
        "confirmed": True,
        "origin": references[0].first,
        "site": Site("train.py", 7, "forward", "x = self.fc1(x)"),
        "other_sites": (),
        "message": "the output of module fc1 differs although its inputs agree",
        "fix": "if the change is intended: `detaudit lock train.py`, and commit the lock",
        "affects": None,
    }
    return AuditResult(
        Verdict.NOT_REPRODUCIBLE,
        None,
        TARGET,
        runs(1),
        compared(),
        (finding(**{**values, **changes}),),
        references=tuple(references),
    )


def layer(module="norm", kind="LayerNorm", value="output", isolated=1e-7, **changes):
    """What was measured of one layer."""
    far = Apart(isolated, 3.0, 5 if isolated else 0, 640)
    given = {
        "step": 0,
        "phase": "forward",
        "root": "Net",
        "propagated": Apart(2e-7, 9.0, 50, 640),
        "first_error": 1e-8,
        "second_error": 2e-8,
        "allowed": 1e-7,
        "of_allowed": 0.2,
        **changes,
    }
    return LayerNumbers(module=module, kind=kind, value=value, isolated=far, **given)


def operator(name="aten.addmm.default", ulp=4.0, changed=1, **changes):
    """What was measured of one operator."""
    far = Apart(1e-7, ulp, 3, 64) if changed else None
    place = {"step": 0, "phase": "forward", "root": "Net", "module": "norm", "file": "train.py", "line": 3}
    return OperatorNumbers(**place, operator=name, calls=2, changed=changed, apart=far, **changes)


def variation(promise="rounding", *, equal=False, **changes):
    """One run under other conditions."""
    growth = tuple(Growth(step, 10.0 ** (step - 8), 1e-7) for step in range(4))
    axes = {"rounding": "threads", "bits": "workers", "precision": "device"}[promise]
    given = {"layers": (layer(),), "operators": (operator(),), "growth": growth, **changes}
    if equal or promise == "bits":
        given = changes
    return Variation((axes,), f"{axes}=1", f"{axes}=2", promise, equal, **given)


def varied(*variations, verdict=Verdict.REPRODUCIBLE, findings=()):
    """An answer along axes."""
    return replace(equal(), verdict=verdict, findings=tuple(findings), varied=variations)
