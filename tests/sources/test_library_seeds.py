"""What is proposed where a library draws without a seed, read off the frames of the call."""

import sys

from detaudit.sources.library_seeds import seed_advice


def frames():
    """Walk up from the function that draws, as far as this module's code."""
    found, frame = [], sys._getframe(1)
    while frame.f_code.co_filename == __file__ and not frame.f_code.co_name.startswith("test_"):
        found.append(frame)
        frame = frame.f_back
    return found


class Estimator:
    def __init__(self, random_state=None):
        self.random_state = random_state

    def fit(self):
        return seed_advice(frames())


class Space:
    def __init__(self, n, seed=None):
        self.n, self.given = n, seed

    def seed(self, seed):
        """Seed it later."""

    def sample(self):
        return seed_advice(frames())


class Pipeline:
    def __init__(self, stages, seed=None):
        self.stages, self.given = stages, seed

    def __iter__(self):
        for stage in self.stages:
            yield from stage


def _shuffle(items, seed=None):  # noqa: ARG001 - that it has the parameter is the point
    for item in items:
        yield item, seed_advice(frames())


def test_an_object_that_takes_a_seed_is_given_one_where_it_is_made():
    assert Estimator().fit() == "pass random_state=SEED to Estimator(...)"


def test_an_object_that_can_be_seeded_later_is_told_both_ways():
    """A library often makes the object, as gymnasium makes an environment's space."""
    advice = "pass seed=SEED to Space(...), or call .seed(SEED) on the Space before it is used"
    assert Space(3).sample() == advice


def test_a_stage_that_was_made_without_a_seed_is_named_before_the_pipeline_that_runs_it():
    ((_, advice),) = Pipeline([_shuffle([1])])
    assert advice == "pass seed=SEED to shuffle(...) or pass seed=SEED to Pipeline(...)"


def test_a_stage_that_has_a_seed_is_not_named():
    ((_, advice),) = Pipeline([_shuffle([1], seed=3)])
    assert advice == "pass seed=SEED to Pipeline(...)"
