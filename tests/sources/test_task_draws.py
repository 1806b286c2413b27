"""Where a task of a pool draws from a generator that its process brings along, by its source."""

from __future__ import annotations

import pytest

from detaudit.model.trace import Site
from detaudit.sources.side_effects import drawing_line


def line(tmp_path, source):
    """The line on which the function `work` of a file draws."""
    file = tmp_path / "program.py"
    file.write_text(source)
    beginning = source.splitlines().index("def work(row):") + 1
    site = drawing_line(Site(str(file), beginning, "work", "def work(row):"))
    return None if site is None else site.code


DRAWS = {
    "numpy": "def work(row):\n    return row + np.random.rand()  # here\n",
    "python": "def work(row):\n    if row:\n        random.shuffle(row)  # here\n    return row\n",
    "torch": "def work(row):\n    return row + torch.randn(3)  # here\n",
    "a generator of the file": (
        "rng = np.random.default_rng(0)\ndef work(row):\n    return rng.normal(row)  # here\n"
    ),
    "a function that it calls": (
        "def noise():\n    return random.gauss(0, 1)  # here\ndef work(row):\n    return row + noise()\n"
    ),
}


@pytest.mark.parametrize("what", DRAWS)
def test_the_draw_of_a_task_is_found(tmp_path, what):
    assert line(tmp_path, DRAWS[what]).endswith("# here")


OF_ITS_OWN = {
    "a generator of its own": "def work(row):\n    return np.random.default_rng(row).normal()\n",
    "a seed of its own": "def work(row):\n    np.random.seed(row)\n    return np.random.rand()\n",
    "no draw": "def work(row):\n    return work(row - 1) if row else row * 2\n",
}


@pytest.mark.parametrize("what", OF_ITS_OWN)
def test_a_task_that_seeds_itself_or_draws_nothing_is_not_named(tmp_path, what):
    assert line(tmp_path, OF_ITS_OWN[what]) is None
