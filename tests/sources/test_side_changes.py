"""The line at which a thread's function changes what is not its own, found in its source."""

from __future__ import annotations

import textwrap

import pytest

from detaudit.model.trace import Site
from detaudit.sources.side_effects import changing_line, collecting_line

CHANGES = {
    "an item": "def work():\n    state['seen'] += 1",
    "an attribute": "def work(self):\n    self.mean = 0.9 * self.mean",
    "a global": "def work():\n    global count\n    count += 1",
    "a setting in a loop": "def work():\n    for one in optimizer.param_groups:\n        one['lr'] *= 0.5",
    "by another name": "def work():\n    mine = state\n    mine['seen'] = 1",
}
OWN = {
    "a list of its own": "def work():\n    found = []\n    found.append(1)\n    return found",
    "a name of its own": "def work():\n    count = 0\n    count += 1\n    return count",
    "an item of its own": "def work():\n    found = {}\n    found['a'] = 1\n    return found",
}


def at_line_one(tmp_path, source):
    """The beginning of a function in a file."""
    path = tmp_path / "program.py"
    path.write_text(textwrap.dedent(source) + "\n")
    return Site(str(path), 1, "work", source.splitlines()[0])


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_of_what_others_use_is_named(tmp_path, what):
    site = changing_line(at_line_one(tmp_path, CHANGES[what]))
    assert site is not None
    assert site.line == len(CHANGES[what].splitlines())
    assert site.code == CHANGES[what].splitlines()[-1].strip()


@pytest.mark.parametrize("what", OWN)
def test_a_change_of_what_the_function_made_itself_is_not_named(tmp_path, what):
    beginning = at_line_one(tmp_path, OWN[what])
    assert changing_line(beginning) is None
    assert collecting_line(beginning) is None


def test_what_is_put_into_a_list_of_others_is_named(tmp_path):
    source = "def work(n):\n    value = n * n\n    results.append(value)"
    site = collecting_line(at_line_one(tmp_path, source))
    assert site is not None
    assert site.line == source.count("\n") + 1


def test_a_function_that_cannot_be_read_names_nothing(tmp_path):
    assert changing_line(Site(str(tmp_path / "missing.py"), 1, "work", "")) is None
