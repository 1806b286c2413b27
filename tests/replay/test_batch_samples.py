"""The samples that a model file's batches are taken apart into."""

from __future__ import annotations

import pytest
import torch

from detaudit.replay.batches.samples import CannotTellError, gather


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ("torch.zeros(5, 4), torch.zeros(4)", "do not agree in their first dimension"),
        ("object()", "holds a object"),
        ("torch.zeros(())", "no tensor whose first dimension"),
        ("torch.zeros(3, 3).to_sparse()", "sparse"),
    ],
)
def test_batches_without_a_first_dimension_of_samples_are_refused(batch, message):
    with pytest.raises(CannotTellError, match=message):
        gather([eval(batch, {"torch": torch})], 4)  # noqa: S307 - written above


def test_batches_are_joined_by_the_shape_of_a_sample():
    batches = [{"x": torch.full((2, size), float(size)), "name": ["a", "b"]} for size in (3, 5, 3, 5, 3)]
    samples = gather(batches, 5)
    assert samples.count == 6
    assert samples.select([5, 0])["x"].shape == (2, 3)
    assert samples.select([1, 0])["name"] == ["b", "a"]
