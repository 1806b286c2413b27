"""Seeds for a program and for its data loader's workers."""

import functools
import random

import numpy as np
import pytest
import torch
from torch.utils.data import ConcatDataset, DataLoader, Dataset, Subset

import detaudit
from detaudit.errors import UsageError
from detaudit.seeding import LONGEST, MOST, _generators

SHARED = np.random.default_rng(7)


class Held(Dataset):
    """Gives what a generator draws that the dataset holds."""

    def __init__(self, draw):
        self.draw = draw

    def __len__(self):
        return 4

    def __getitem__(self, index):
        return torch.tensor(float(self.draw()))


class FromModule(Held):
    """Draws from a generator that stands beside it in the module."""

    def __init__(self):
        super().__init__(None)

    def __getitem__(self, index):
        return torch.tensor(SHARED.normal())


class Jitter:
    """A transform with a generator of its own."""

    def __init__(self, generator):
        self.generator = generator

    def __call__(self):
        return self.generator.random()


def legacy_normal(state):
    return functools.partial(state.normal)


def closure(generator):
    return lambda: generator.random() + 1


def torch_draw(generator):
    return functools.partial(torch.rand, (), generator=generator)


HOLDERS = {
    "a numpy generator's method": lambda: Held(np.random.default_rng(0).normal),
    "a numpy generator's method with MT19937": lambda: Held(np.random.Generator(np.random.MT19937(0)).normal),
    "a RandomState in a partial": lambda: Held(legacy_normal(np.random.RandomState(0))),
    "a python generator in a transform": lambda: Held(Jitter(random.Random(0))),
    "a torch generator in a partial": lambda: Held(torch_draw(torch.Generator().manual_seed(0))),
    "a closure": lambda: Held(closure(random.Random(0))),
    "a wrapped dataset": lambda: Subset(Held(Jitter(np.random.default_rng(0))), range(4)),
    "a list of datasets": lambda: ConcatDataset([Held(Jitter(random.Random(0)))]),
    "the dataset's module": FromModule,
}


def draws(dataset, seed=0, *, init=detaudit.seed_worker, context="fork"):
    """What two workers give: each one's two draws."""
    loader = DataLoader(
        dataset,
        num_workers=2,
        generator=detaudit.seed_everything(seed),
        worker_init_fn=init,
        multiprocessing_context=context,
    )
    values = [batch.item() for batch in loader]
    return values[0::2], values[1::2]


@pytest.mark.parametrize("holder", HOLDERS)
def test_workers_draw_differently_from_their_copies_of_a_generator(holder):
    first, second = draws(HOLDERS[holder]())
    assert not set(first) & set(second)


@pytest.mark.parametrize("holder", HOLDERS)
def test_without_the_worker_seed_they_draw_the_same(holder):
    first, second = draws(HOLDERS[holder](), init=None)
    assert first == second


def test_the_draws_of_workers_repeat_and_follow_the_seed():
    assert draws(HOLDERS["a wrapped dataset"]()) == draws(HOLDERS["a wrapped dataset"]())
    assert draws(HOLDERS["a wrapped dataset"]()) != draws(HOLDERS["a wrapped dataset"](), seed=1)


def test_a_spawned_worker_draws_what_a_forked_one_does():
    dataset = ConcatDataset([FromModule(), Held(Jitter(random.Random(0)))])
    assert draws(dataset, context="spawn") == draws(dataset)


def test_two_generators_of_one_dataset_do_not_draw_the_same():
    pair = [Held(Jitter(np.random.default_rng(0))), Held(Jitter(np.random.default_rng(0)))]
    first, _ = draws(ConcatDataset(pair))
    assert len(set(first)) == len(first)


def test_the_global_generators_of_workers_are_seeded_and_repeat():
    assert draws(Held(np.random.random)) == draws(Held(np.random.random))
    assert draws(Held(random.random)) == draws(Held(random.random))
    first, second = draws(Held(random.random))
    assert not set(first) & set(second)


def test_a_spare_normal_number_does_not_outlive_the_seed():
    state = np.random.RandomState(0)
    state.normal()  # keeps the second number of the pair for next time
    assert draws(Held(state.normal)) == draws(Held(np.random.RandomState(0).normal))


def test_a_dataset_full_of_samples_is_not_searched():
    dataset = Held(None)
    dataset.samples = [Jitter(None) for _ in range(2 * MOST)]
    dataset.transform = Jitter(random.Random(0))
    paths = [path for path, _ in _generators(dataset)]
    assert "dataset.transform.generator" in paths


def test_the_search_of_a_dataset_ends():
    dataset = Held(None)
    dataset.samples = [[Jitter(None) for _ in range(LONGEST)] for _ in range(LONGEST)]
    dataset.transform = [[[Jitter(random.Random(0))]]]
    assert not any("transform" in path for path, _ in _generators(dataset))


def test_a_dataset_that_refers_to_itself_is_searched_once():
    dataset = Held(Jitter(random.Random(0)))
    dataset.itself = dataset
    first, second = draws(dataset)
    assert first != second


def draw_from_all():
    return random.random(), np.random.random(), torch.rand(()).item()  # noqa: NPY002 - the global generator


def test_everything_is_seeded_and_a_generator_comes_back():
    def numbers(seed):
        generator = detaudit.seed_everything(seed)
        return *draw_from_all(), torch.rand((), generator=generator).item()

    assert numbers(3) == numbers(3)
    assert not set(numbers(3)) & set(numbers(4))


@pytest.mark.parametrize("seed", [-1, 2**32, 1.0, True, None, "0"])
def test_what_is_no_seed_is_refused_and_changes_nothing(seed):
    before = random.getstate(), torch.get_rng_state()
    with pytest.raises(UsageError, match="not possible as a seed"):
        detaudit.seed_everything(seed)
    assert random.getstate() == before[0]
    assert torch.equal(torch.get_rng_state(), before[1])


@pytest.mark.parametrize("seed", [0, 2**32 - 1])
def test_the_smallest_and_the_largest_seed_are_taken(seed):
    assert detaudit.seed_everything(seed).initial_seed() == seed


def test_outside_of_a_worker_only_the_global_generators_are_seeded():
    torch.manual_seed(5)
    detaudit.seed_worker(0)
    python, numpy, drawn = draw_from_all()
    detaudit.seed_worker(1)
    again = draw_from_all()
    assert again[:2] == (python, numpy)
    assert again[2] != drawn
