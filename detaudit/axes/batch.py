"""The size of the batch that a sample is in."""

from __future__ import annotations

from detaudit.axes.axis import MODEL_FILES, Axis, whole
from detaudit.model.variation import Promise

AXIS = Axis(
    name="batch",
    owes=Promise.ROUNDING,
    syntax=whole(1),
    targets=MODEL_FILES,
    instead="a script makes its batches itself: audit a model file (make_model and make_batches)",
    alone="1,8",
    of_samples=True,
)
