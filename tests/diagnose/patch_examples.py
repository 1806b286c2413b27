"""Code with a fault, and what it is to be, by cause; code that has no mechanical fix."""

IMPORTS = """\
import asyncio, glob, os, pathlib, random, secrets, time
from concurrent.futures import as_completed
import gymnasium as gym
import numpy as np
import pandas as pd
import torch
from numpy.random import default_rng
from sklearn.model_selection import KFold, train_test_split
from sklearn.pipeline import make_pipeline
from torch.utils.data import DataLoader
"""
"""Stands above each example."""

MADE = {
    "unseeded-python": [
        ("x = random.Random()", "x = random.Random(0)"),
        ("x = random.Random(None)", "x = random.Random(0)"),
        ("random.seed()", "random.seed(0)"),
        ("random.seed(a=None)", "random.seed(a=0)"),
        ("random.seed(int(time.time()))", "random.seed(0)"),
        ("random.seed(flags.seed)", "random.seed(0)"),
        ("seed = time.time_ns() % 100\nrandom.seed(seed)", "seed = 0\nrandom.seed(seed)"),
        (
            "r = random.Random()\nx = [r.random() for _ in y]",
            "r = random.Random(0)\nx = [r.random() for _ in y]",
        ),
        (
            "class A:\n    r = random.Random()\n    def f(self):\n        return self.r.gauss()",
            "class A:\n    r = random.Random(0)\n    def f(self):\n        return self.r.gauss()",
        ),
        ("x = random.random()", "\nrandom.seed(0)\n\nx = random.random()"),
    ],
    "unseeded-numpy": [
        ("x = np.random.default_rng()", "x = np.random.default_rng(0)"),
        ("x = default_rng( )", "x = default_rng( 0)"),
        ("x = np.random.RandomState(seed=None)", "x = np.random.RandomState(seed=0)"),
        ("x = np.random.Generator(np.random.PCG64())", "x = np.random.Generator(np.random.PCG64(0))"),
        (
            "x = np.random.SeedSequence(entropy=secrets.randbits(128))",
            "x = np.random.SeedSequence(entropy=0)",
        ),
        ("np.random.seed(os.getpid() + 1)", "np.random.seed(0)"),
        ("np.random.seed(int.from_bytes(os.urandom(4), 'big'))", "np.random.seed(0)"),
        ("f = train(data, rng=default_rng())", "f = train(data, rng=default_rng(0))"),
        ("x = np.random.normal(0, 1)", "\nnp.random.seed(0)\n\nx = np.random.normal(0, 1)"),
    ],
    "unseeded-torch": [
        ("torch.seed()", "torch.manual_seed(0)"),
        ("g = torch.Generator()\ng.seed()", "g = torch.Generator()\ng.manual_seed(0)"),
        ("torch.manual_seed(int(time.time()))", "torch.manual_seed(0)"),
        ("torch.cuda.manual_seed_all(seed=time.time_ns())", "torch.cuda.manual_seed_all(seed=0)"),
        ("g = torch.Generator().manual_seed(os.getpid())", "g = torch.Generator().manual_seed(0)"),
        (
            "seed = a.seed or int(time.time() * 1e3) % 7\ntorch.manual_seed(seed)",
            "seed = a.seed or 0\ntorch.manual_seed(seed)",
        ),
        ("seed = int(time.time())  # guilty\nrun(seed)", "seed = 0  # guilty\nrun(seed)"),
        ("net = torch.nn.Linear(2, 2)", "\ntorch.manual_seed(0)\n\nnet = torch.nn.Linear(2, 2)"),
    ],
    "fs-order": [
        ("x = os.listdir('a')", "x = sorted(os.listdir('a'))"),
        (
            "for i, x in enumerate(glob.glob('*')): pass",
            "for i, x in enumerate(sorted(glob.glob('*'))): pass",
        ),
        ("x = [p.name for p in root.rglob('*.png')]", "x = [p.name for p in sorted(root.rglob('*.png'))]"),
        ("x = list(pathlib.Path('a').iterdir())", "x = sorted(pathlib.Path('a').iterdir())"),
        (
            "for entry in os.scandir('a'): pass",
            "for entry in sorted(os.scandir('a'), key=lambda entry: entry.name): pass",
        ),
        ("x = sorted(glob.glob('*'), key=os.path.getmtime)", "x = sorted(glob.glob('*'))"),
        (
            "x = sorted(glob.glob('*'), key=lambda p: os.stat(p).st_mtime, reverse=True)",
            "x = sorted(glob.glob('*'), reverse=True)",
        ),
        ("x = max(paths, key=os.path.getctime)", "x = max(paths)"),
        ("paths.sort(key=os.path.getmtime)", "paths.sort()"),
        (
            "x = sorted(\n    paths,\n    key=os.path.getmtime,  # guilty\n)",
            "x = sorted(\n    paths,\n    # guilty\n)",
        ),
        (
            "x = sorted(  # guilty\n    paths,  # all\n    key=os.path.getmtime,\n    reverse=True,\n)",
            "x = sorted(  # guilty\n    paths,  # all\n    reverse=True,\n)",
        ),
        (
            "x = sorted(  # guilty\n    paths,  # all\n    key=os.path.getmtime)",
            "x = sorted(  # guilty\n    paths,  # all\n    )",
        ),
        (
            "x = sorted(os.scandir('a'), key=lambda e: e.stat().st_mtime)",
            "x = sorted(os.scandir('a'), key=lambda entry: entry.name)",
        ),
        ("x = next(root.glob('*'))", "x = next(iter(sorted(root.glob('*'))))"),
        (
            "for root, folders, files in os.walk('a'):  # guilty\n    print(files)",
            (
                "for root, folders, files in os.walk('a'):  # guilty\n"
                "    folders.sort()\n    files.sort()\n    print(files)"
            ),
        ),
    ],
    "hash-order": [
        ("x = list(set(words))", "x = sorted(set(words))"),
        ("x = tuple({w for w in words})", "x = tuple(sorted({w for w in words}))"),
        ("for x in known: pass", "for x in sorted(known): pass"),
        ("for i, x in enumerate(self.known): pass", "for i, x in enumerate(sorted(self.known)): pass"),
        (
            "x = {w: i for i, w in enumerate(a | set(b))}",
            "x = {w: i for i, w in enumerate(sorted(a | set(b)))}",
        ),
        ("x = ','.join({'a', 'b'})", "x = ','.join(sorted({'a', 'b'}))"),
        ("x = [*set(words)]", "x = [*sorted(set(words))]"),
        (
            "def f(kinds: set[str], rows):\n    return [r[k] for r in rows for k in kinds]",
            "def f(kinds: set[str], rows):\n    return [r[k] for r in rows for k in sorted(kinds)]",
        ),
        (
            "kinds = {'a', 'b'}  # guilty\nx = [k for k in kinds]",
            "kinds = {'a', 'b'}  # guilty\nx = [k for k in sorted(kinds)]",
        ),
        ("x = hash(word) % 7", "import zlib\n\nx = zlib.crc32(repr(word).encode()) % 7"),
        (
            "import zlib as z\nx = hash((a, b)) + hash(c)",
            "import zlib as z\nx = z.crc32(repr((a, b)).encode()) + z.crc32(repr(c).encode())",
        ),
    ],
    "completion-order": [
        ("for job in as_completed(jobs): pass", "for job in jobs: pass"),
        ("for job in as_completed(jobs, timeout=9): pass", "for job in jobs: pass"),
        (
            "x = [job.result() for job in tqdm(as_completed(jobs))]",
            "x = [job.result() for job in tqdm(jobs)]",
        ),
        (
            "jobs = {pool.submit(f, x) for x in xs}\nfor job in as_completed(jobs): pass",
            "jobs = [pool.submit(f, x) for x in xs]\nfor job in jobs: pass",
        ),
        ("first = next(as_completed(jobs)).result()", "first = next(iter(jobs)).result()"),
        ("ready = as_completed(jobs)", "ready = iter(jobs)"),
        ("for task in asyncio.as_completed(tasks): pass", "for task in tasks: pass"),
        ("for x in pool.imap_unordered(f, xs, 8): pass", "for x in pool.imap(f, xs, 8): pass"),
        ("x = DataLoader(data, in_order=False)", "x = DataLoader(data)"),
    ],
    "worker-order": [
        ("x = DataLoader(data, in_order=False, num_workers=2)", "x = DataLoader(data, num_workers=2)"),
        (
            "x = DataLoader(\n    data,\n    in_order=False,  # faster\n    num_workers=2,\n)",
            "x = DataLoader(\n    data,\n    # faster\n    num_workers=2,\n)",
        ),
        (
            "x = DataLoader(data, in_order=False)\nfor batch in x: pass",
            "x = DataLoader(data)\nfor batch in x: pass",
        ),
    ],
    "unseeded-library": [
        ("a, b = train_test_split(x, y)", "a, b = train_test_split(x, y, random_state=0)"),
        ("a = train_test_split(x, random_state=None)", "a = train_test_split(x, random_state=0)"),
        (
            "a = train_test_split(\n    (x),  # guilty\n)",
            "a = train_test_split(\n    (x), random_state=0,  # guilty\n)",
        ),
        ("rows = table.sample(9)", "rows = table.sample(9, random_state=0)"),
        (
            "a = train_test_split(  # guilty\n    (x),  # all, of them\n)",
            "a = train_test_split(  # guilty\n    (x), random_state=0,  # all, of them\n)",
        ),
        ("f = KFold(5, shuffle=True)", "f = KFold(5, shuffle=True, random_state=0)"),
        (
            "f = KFold(shuffle=True)\nfor a, b in f.split(x): pass",
            "f = KFold(shuffle=True, random_state=0)\nfor a, b in f.split(x): pass",
        ),
        ("env = gym.make('A')\nenv.reset()", "env = gym.make('A')\nenv.reset(seed=0)"),
        (
            "env = gym.make('A')  # one\nfor _ in y:\n    env.reset()",
            "env = gym.make('A')  # one\nenv.reset(seed=0)\nfor _ in y:\n    env.reset()",
        ),
        (
            "env = gym.make('A')\nx = env.action_space.sample()",
            "env = gym.make('A')\nenv.action_space.seed(0)\nx = env.action_space.sample()",
        ),
    ],
    "worker-seeding": [
        (
            "def init(i):\n    random.seed(os.getpid())  # guilty\nx = DataLoader(d, worker_init_fn=init)",
            (
                "def init(i):\n    random.seed(torch.initial_seed() % 2**32)  # guilty\n"
                "x = DataLoader(d, worker_init_fn=init)"
            ),
        ),
        (
            "def item(i):\n    return default_rng().normal()  # guilty\nx = DataLoader(d, num_workers=2)",
            (
                "def item(i):\n    return default_rng(torch.randint(2**31, ()).item()).normal()  # guilty\n"
                "x = DataLoader(d, num_workers=2)"
            ),
        ),
    ],
}
"""The guilty line is the one with `# guilty`, or else the last."""

NOTHING = [
    ("unseeded-numpy", "x = self.rng.normal()", "numpy.random.Generator.normal"),
    ("unseeded-python", "x = random.Random(1).random()", "random.Random.random"),
    ("fs-order", "x = sorted(os.listdir('a'))", None),
    ("fs-order", "x = sorted(names, key=str.lower)", None),
    ("fs-order", "with os.scandir('a') as it: pass", None),
    ("fs-order", "for root, _, _ in os.walk('a'): pass", None),
    ("fs-order", "x = os.listdir('a')  # guilty\nsorted = list", None),
    ("hash-order", "x = len(set(words))", None),
    ("hash-order", "x = sorted(set(words))", None),
    ("hash-order", "for a, b in zip(c, d()): pass", None),
    ("hash-order", "x = hash(word)  # guilty\ndef hash(word): return 1", None),
    ("completion-order", "jobs = set(a)\nfor job in as_completed(jobs): pass", None),
    ("completion-order", "async def f():\n    async for x in asyncio.as_completed(tasks): pass", None),
    ("completion-order", "x = queue.get()", None),
    ("worker-order", "x = DataLoader(data)", None),
    ("worker-order", "x = DataLoader(a, in_order=False), DataLoader(b, in_order=False)", None),
    ("unseeded-library", "f = KFold(5)", None),
    ("unseeded-library", "a = train_test_split(x, random_state=seed)", None),
    ("unseeded-library", "a = train_test_split(x, **options)", None),
    ("unseeded-library", "a = train_test_split(y for y in x)", None),
    ("unseeded-library", "x = make_pipeline(a, b)", None),
    ("unseeded-library", "def f(env):\n    for _ in y:\n        env.reset()", None),
    ("unseeded-library", "from .own import draw\nx = draw()", None),
    ("worker-seeding", "x = random.random()", None),
    ("worker-seeding", "a = DataLoader(x, num_workers=1)\nb = DataLoader(y, num_workers=1)\nc = 1", None),
    ("worker-seeding", "a = DataLoader(x, num_workers=1, **options)", None),
]
