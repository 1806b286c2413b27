"""Training programs whose data side has known faults, or none: one loader for each."""

HEAD = """
    import random

    import numpy as np
    import torch
    from torch.utils.data import *

    class Numbers(Dataset):
        size = 64

        def __len__(self):
            return self.size

        def __getitem__(self, index):
            return torch.full((4,), float(index))

    class Holding(Numbers):
        rng = None

        def __init__(self, rng=None):
            if rng is not None:
                self.rng = rng

        def __getitem__(self, index):
            return torch.full((4,), index + self.rng.normal())

    def new_model():
        model = torch.nn.Linear(4, 1)
        return model, torch.optim.SGD(model.parameters(), 1e-6)

    def train(loader, epochs=2, stop=None, before=lambda epoch: None):
        for epoch in range(epochs):
            before(epoch)
            for number, batch in enumerate(loader):
                model(batch).pow(2).mean().backward()
                optimizer.step()
                optimizer.zero_grad()
                if number == stop:
                    break

    TWO = {"batch_size": 8, "num_workers": 2}
    torch.manual_seed(0)
    np.random.seed(0)
    random.seed(0)
    model, optimizer = new_model()
"""

RANDOMNESS = (
    HEAD
    + """
    import augment

    NOISE = np.random.default_rng(0)

    class ModuleLevel(Numbers):
        def __getitem__(self, index):
            return torch.full((4,), index + NOISE.normal())

    class OtherModule(Numbers):
        def __getitem__(self, index):
            return augment.jitter(torch.full((4,), float(index)))

    class InAList(Numbers):
        def __init__(self):
            self.inner = [random.Random(3)]

        def __getitem__(self, index):
            return torch.full((4,), index + self.inner[0].random())

    class OfItsClass(Numbers):
        generator = torch.Generator().manual_seed(1)

        def __getitem__(self, index):
            return torch.rand(4, generator=self.generator) + index

    class MadeInTheWorker(Holding):
        def __getitem__(self, index):
            if self.rng is None:
                self.rng = np.random.default_rng(0)
            return super().__getitem__(index)

    class Global(Numbers):
        def __getitem__(self, index):
            return torch.rand(4) + np.random.rand() + random.random()

    class ConstantSeed(Global): pass
    class SeedOfTheWorker(Global): pass
    class SeededEachEpoch(Global): pass

    def seed_constant(worker):
        np.random.seed(7)

    def seed_by_worker(worker):
        random.seed(worker)

    train(DataLoader(ModuleLevel(), **TWO))
    train(DataLoader(OtherModule(), **TWO))
    train(DataLoader(InAList(), persistent_workers=True, **TWO))
    train(DataLoader(OfItsClass(), **TWO))
    train(DataLoader(MadeInTheWorker(), **TWO))
    train(DataLoader(ConstantSeed(), worker_init_fn=seed_constant, **TWO))
    train(DataLoader(SeedOfTheWorker(), worker_init_fn=seed_by_worker, **TWO))
    train(DataLoader(SeededEachEpoch(), **TWO), before=lambda epoch: torch.manual_seed(1))
"""
)

AUGMENT = """
import numpy as np
RNG = np.random.RandomState(4)
def jitter(x):
    return x + RNG.standard_normal()
"""

CLEAN_RANDOMNESS = (
    HEAD
    + """
    class Global(Numbers):
        def __getitem__(self, index):
            return torch.rand(4) + np.random.rand() + random.random()

    class MadeInTheWorker(Holding):
        def __getitem__(self, index):
            if self.rng is None:
                self.rng = np.random.default_rng(torch.initial_seed())
            return super().__getitem__(index)

    class SharedOrder(Numbers):
        def __init__(self):
            self.rng, self.order = np.random.default_rng(0), None

        def __getitem__(self, index):
            if self.order is None:
                self.order = self.rng.permutation(self.size)
            return torch.full((4,), float(self.order[index]))

    class SharedOut(IterableDataset):
        def __init__(self):
            self.rng = random.Random(0)

        def __iter__(self):
            order, worker = list(range(64)), get_worker_info()
            self.rng.shuffle(order)
            for index in order[worker.id :: worker.num_workers]:
                yield torch.full((4,), float(index)) + torch.rand(1)

    def seed_dataset(worker):
        get_worker_info().dataset.rng = np.random.default_rng(torch.initial_seed())

    order = torch.Generator().manual_seed(3)
    train(DataLoader(Global(), shuffle=True, **TWO))
    train(DataLoader(Global(), shuffle=True, persistent_workers=True, generator=order, **TWO), 3)
    train(DataLoader(Holding(), worker_init_fn=seed_dataset, **TWO))
    train(DataLoader(MadeInTheWorker(), **TWO))
    train(DataLoader(SharedOrder(), **TWO))
    train(DataLoader(SharedOut(), **TWO))
    train(DataLoader(Holding(np.random.default_rng(0)), batch_size=8))

    # Validated with the same noise each time.
    validation = DataLoader(Holding(np.random.default_rng(0)), batch_size=8, num_workers=1)
    training = DataLoader(Numbers(), batch_size=8, shuffle=True)
    for _ in range(2):
        train(training, 1)
        with torch.no_grad():
            for batch in validation:
                model(batch)

    # Trained twice from the start, with one seed.
    again = DataLoader(Global(), shuffle=True, **TWO)
    for _ in range(2):
        torch.manual_seed(9)
        model, optimizer = new_model()
        train(again, 1)
"""
)

ORDERS = (
    HEAD
    + """
    class Unsharded(IterableDataset):
        def __iter__(self):
            for index in range(40):
                yield torch.full((4,), float(index))

    class Reseeded(Numbers): pass
    class WithoutSetEpoch(Numbers): pass
    class LosesTheRest(Numbers): pass
    class GivesTwice(Numbers): pass
    class CutShort(Numbers): pass

    class WholeBatches:
        def __init__(self, sampler):
            self.sampler = sampler

        def __iter__(self):
            numbers = list(self.sampler)
            return iter([numbers[at : at + 7] for at in range(0, len(numbers) - 6, 7)])

    class Repeating(RandomSampler):
        def __iter__(self):
            return iter([*super().__iter__(), 5])

    order = torch.Generator()
    dataset = WithoutSetEpoch()
    train(DataLoader(Unsharded(), **TWO))
    train(DataLoader(Reseeded(), batch_size=8, shuffle=True, generator=order),
          before=lambda epoch: order.manual_seed(5))
    train(DataLoader(CutShort(), shuffle=True, generator=order, **TWO), stop=3,
          before=lambda epoch: order.manual_seed(5))
    train(DataLoader(dataset, batch_size=8, sampler=DistributedSampler(dataset, 2, 0)))
    dataset = LosesTheRest()
    train(DataLoader(dataset, batch_sampler=WholeBatches(SequentialSampler(dataset))))
    dataset = GivesTwice()
    train(DataLoader(dataset, batch_size=8, sampler=Repeating(dataset)))
"""
)

CLEAN_ORDERS = (
    HEAD
    + """
    class Sharded(IterableDataset):
        def __iter__(self):
            worker = get_worker_info()
            for index in range(worker.id, 40, worker.num_workers):
                yield torch.full((4,), float(index))

    class Zeros(IterableDataset):
        def __iter__(self):
            for _ in range(40):
                yield torch.zeros(4)

    class Odd(Numbers):
        size = 61

    class Three(Numbers):
        size = 3

    class Padded(Sampler):
        def __iter__(self):
            return iter([*range(0, 64, 2), 0, 2])

        def __len__(self):
            return 34

    dataset = Numbers()
    distributed = DistributedSampler(range(65), 2, 0)
    train(DataLoader(Sharded(), **TWO))
    train(DataLoader(Zeros(), **TWO))
    train(DataLoader(dataset, **TWO), stop=2)
    train(DataLoader(dataset, shuffle=True, **TWO), stop=3)
    train(DataLoader(dataset, batch_size=8))
    train(DataLoader(Odd(), batch_size=8, shuffle=True, drop_last=True))
    train(DataLoader(Three(), shuffle=True), 20)
    train(DataLoader(dataset, batch_size=8, sampler=RandomSampler(dataset, replacement=True)))
    train(DataLoader(dataset, batch_size=8, sampler=RandomSampler(dataset, num_samples=40)))
    train(DataLoader(dataset, batch_size=8, sampler=RandomSampler(dataset, num_samples=100)))
    train(DataLoader(dataset, batch_size=8, sampler=WeightedRandomSampler([1.0] * 64, 64)))
    train(DataLoader(dataset, batch_size=8, sampler=SubsetRandomSampler(range(10, 30))))
    train(DataLoader(dataset, batch_size=8, sampler=Padded()))
    train(DataLoader(dataset, batch_size=8, sampler=distributed), before=distributed.set_epoch)
    train(DataLoader(dataset, batch_size=None, shuffle=True), stop=9)
"""
)

SPAWNED = """
    import numpy as np
    import torch
    from torch.utils.data import DataLoader, Dataset

    NOISE = np.random.default_rng(0)

    class Noisy(Dataset):
        def __len__(self):
            return 32

        def __getitem__(self, index):
            return torch.full((4,), index + NOISE.normal()) + torch.rand(4)

    if __name__ == "__main__":
        torch.manual_seed(0)
        weight = torch.ones(4, requires_grad=True)
        loader = DataLoader(Noisy(), batch_size=8, num_workers=2, multiprocessing_context="spawn")
        for batch in loader:
            (batch * weight).sum().backward()
            weight.data -= 1e-6 * weight.grad
"""
