"""What must hold before a change is merged."""

import pytest
from train import train


def test_training_repeats_itself(detaudit):
    """Two runs in fresh processes are the same, bit for bit."""
    report = detaudit(train)
    assert report.reproducible


def test_training_gives_the_numbers_that_are_locked(detaudit):
    """A refactoring changes no number; on another machine, only by rounding."""
    detaudit.assert_matches_lock(train, tolerance=1e-4)


@pytest.mark.reproducible
def test_the_loss_falls():
    """An ordinary test, which is run again because of its mark."""
    losses = train(epochs=3)
    assert losses[-1] < losses[0]


def test_nothing_is_kept_between_calls(detaudit):
    """A second training in the same process is the same as the first."""
    detaudit.assert_reproducible(train, isolation="same")


@pytest.mark.reproducible(seed=1, expect="not-reproducible")
def test_a_clock_in_the_data_would_be_found():
    """The check can fail: seeds do not help against this."""
    import time

    train(noise=time.time_ns() % 1000 / 1000)
