"""Evidence has one shape, and keeps the keys that results have always had."""

from __future__ import annotations

import pytest

from detaudit.model.evidence import Evidence, EvidenceKind

CONTROL = {
    "control": "clock",
    "held": "the clock",
    "equal_pairs": 2,
    "pairs": 2,
    "without_equal_pairs": 0,
    "without_pairs": 6,
    "together_with": ["numpy-random"],
}


def test_evidence_is_read_as_it_was_written():
    for one in (
        Evidence(EvidenceKind.CONTROL, "clock", "the clock", 2, 2, 0, 6, ("numpy-random",)),
        Evidence(EvidenceKind.PATCH, pairs=1, details={"patched": "copy.py", "reproducible": None}),
    ):
        assert Evidence.from_dict(one.as_dict()) == one


@pytest.mark.parametrize(
    ("old", "kind"),
    [
        (CONTROL, EvidenceKind.CONTROL),
        ({"perturbed": "clock", "pairs": 2}, EvidenceKind.PERTURBATION),
        ({"repeated": "run", "pairs": 2}, EvidenceKind.REPETITION),
        ({"operator": "aten.mm", "replay": {}}, EvidenceKind.REPLAY),
        ({"isolated": "output"}, EvidenceKind.MEASUREMENT),
    ],
)
def test_a_result_of_an_older_version_is_understood_and_loses_no_key(old, kind):
    found = Evidence.from_dict(old)
    assert found.kind is kind

    assert set(old) <= set(found.as_dict())


@pytest.mark.parametrize("broken", [{"pairs": "2"}, {"pairs": True}, {"held": 3}, {"kind": "magic"}])
def test_anything_else_is_refused(broken):
    with pytest.raises((TypeError, ValueError)):
        Evidence.from_dict({**CONTROL, **broken})
