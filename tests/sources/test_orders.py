"""Orders by hash and by address, in a process of their own: seen, held the same in each run, and told."""

from __future__ import annotations

import pytest

from detaudit.model.cause import Cause
from detaudit.sources.ordering import naming_order
from tests.sources.test_taps import run

MANY = "from detaudit.run.heap import scatter\nscatter()\n"
"""Makes each process's memory another one, as each audited run does, so that addresses differ in order."""
NODES = (
    MANY
    + "class Node:\n    def __init__(self, n):\n        self.n = n\nnodes = [Node(n) for n in range(30)]\n"
)
ALIKE = MANY + (
    "class Node:\n    pass\nnodes = [Node() for _ in range(30)]\n"
    "for n, node in enumerate(nodes):\n    node.value = 0\n"
    "def places(order):\n"
    "    return [next(i for i, one in enumerate(nodes) if one is node) for node in order]\n"
)
MODULES = MANY + (
    "import torch\nmodel = torch.nn.Sequential(*(torch.nn.Linear(2, 2) for _ in range(12)))\n"
    "for p in model.parameters():\n    torch.nn.init.zeros_(p)\n"
    "def places(order):\n"
    "    return [next(i for i, one in enumerate(model.parameters()) if one is p) for p in order]\n"
)
BY_ADDRESS = {
    "a WeakSet": NODES + "import weakref\nvalue = [node.n for node in weakref.WeakSet(nodes)]",
    "dict.fromkeys of a set": NODES + "value = [node.n for node in dict.fromkeys(set(nodes))]",
    "the text of objects": NODES + "value = [str(node) for node in nodes[:3]]",
    "a formatted bound method": NODES.replace(
        "self.n = n", "self.n = n\n    def get(self):\n        return 1"
    )
    + "value = f'{nodes[0].get}'",
    "a union of sets": NODES + "value = [node.n for node in set(nodes[:20]) | set(nodes[10:])]",
    "the class method of a subclass": NODES
    + (
        "from collections import OrderedDict\nmade = OrderedDict.fromkeys(set(nodes))\n"
        "value = [type(made).__name__, *[node.n for node in made]]"
    ),
    "tuples with an object": NODES + "value = [node.n for node, _ in {(node, 1) for node in nodes}]",
    "bound methods": NODES.replace("self.n = n", "self.n = n\n    def get(self):\n        return self.n")
    + "value = [get() for get in {node.get for node in nodes}]",
    "a hash that is written in Python": NODES.replace(
        "self.n = n", "self.n = n\n    def __hash__(self):\n        return id(self) >> 4"
    )
    + "value = [node.n for node in set(nodes)]",
    "a hash of parts": NODES + "class Edge:\n    def __init__(self, end):\n        self.end = end\n"
    "    def __hash__(self):\n        return hash((self.end, 1))\n"
    "value = [edge.end.n for edge in {Edge(node) for node in nodes}]",
    "objects that hold the same": ALIKE + "value = places(set(nodes))",
    "the elements that a set gives up": ALIKE
    + "left = set(nodes)\nvalue = places([left.pop() for _ in range(30)])",
    "parameters of equal content": MODULES + "value = places(set(model.parameters()))",
    "a set handed to torch": MODULES + "vector = torch.nn.utils.parameters_to_vector\n"
    "with torch.no_grad():\n    for i, p in enumerate(model.parameters()):\n        p.fill_(i)\n"
    "value = vector(set(model.parameters())).tolist()",
    "hashes of objects": ALIKE + "value = [hash(node) % 100_003 for node in nodes]",
    "hashes of tuples of objects": ALIKE + "value = [hash((node, 2)) % 100_003 for node in nodes]",
}


@pytest.fixture(scope="module")
def four_runs(tmp_path_factory):
    """All of these programs, one after the other in one process: twice with addresses held, twice without."""
    folder = tmp_path_factory.mktemp("orders")
    for number, program in enumerate(BY_ADDRESS.values()):
        (folder / f"case{number}.py").write_text(program)
    program = (
        "import importlib\n"
        f"value = [importlib.import_module(f'case{{n}}').value for n in range({len(BY_ADDRESS)})]"
    )
    return [run(folder, program, *held) for held in (("addresses",), ("addresses",), (), ())]


@pytest.mark.parametrize("number", range(len(BY_ADDRESS)), ids=BY_ADDRESS)
def test_an_order_by_address_is_the_same_in_each_run_when_held_and_another_one_otherwise(four_runs, number):
    held, again, plain, other = (done["value"][number] for done in four_runs)
    assert held == again
    assert plain != other


def test_each_order_by_address_is_noted_as_one(four_runs):
    noted = [entry for entry in four_runs[2]["noted"] if entry[0] == "addresses"]
    assert len(noted) >= len(BY_ADDRESS)


def test_a_hash_that_is_held_stays_the_same_while_what_the_object_holds_changes(tmp_path):
    program = (
        ALIKE
        + "one = nodes[3]\nkept = {(one, 1): 5}\nbefore = hash((one, 1)), hash(one)\n"
        + ("one.value = 7\nvalue = [before == (hash((one, 1)), hash(one)), kept[one, 1]]")
    )
    assert run(tmp_path, program, "addresses")["value"] == [True, 5]


def test_enumerations_and_texts_are_ordered_by_the_hash_seed_and_not_by_address(tmp_path):
    program = (
        "import enum\nKind = enum.Enum('Kind', [f'K{n}' for n in range(20)])\n"
        "value = [kind.name for kind in set(Kind)]"
    )
    first, second = (run(tmp_path, program, "hash-seed") for _ in range(2))
    assert first["value"] == second["value"]
    assert {entry[0] for entry in first["noted"]} == {"hash-seed"}
    assert run(tmp_path, program)["value"] != run(tmp_path, program)["value"]


def test_held_addresses_keep_no_object_alive_and_copies_alike(tmp_path):
    program = """
        import copy, gc, weakref
        class Node:
            def __init__(self, other=None):
                self.other = other
            def __deepcopy__(self, memo):
                made = Node()
                memo[id(self)] = made
                made.other = copy.deepcopy(self.other, memo)
                return made
        node = Node()
        node.other = node
        made = copy.deepcopy(node)
        gone = weakref.ref(Node())
        def ask():
            item = Node()
            number = id(item)
            return weakref.ref(item), number
        numbers = [ask() for _ in range(3)]
        value = [made.other is made, [ref() is None for ref, _ in numbers], len({n for _, n in numbers})]
    """
    assert run(tmp_path, program, "addresses")["value"] == [True, [True] * 3, 3]


def test_a_library_that_asks_for_an_address_gets_the_true_one(tmp_path):
    """A compiler that reads memory by it would read what it must not."""
    library = tmp_path / "site-packages"
    library.mkdir()
    (library / "compiling.py").write_text(
        "import ctypes\ndef through(item):\n    return ctypes.cast(id(item), ctypes.py_object).value\n"
    )
    program = (
        f"import sys\nsys.path.insert(0, {str(library)!r})\nimport compiling\n"
        "value = compiling.through('kept')"
    )
    assert run(tmp_path, program, "addresses") == {"noted": [], "value": "kept"}


def test_a_set_that_torch_makes_for_itself_is_not_noted(tmp_path):
    program = "import torch\nmodel = torch.nn.Linear(2, 2)\nvalue = len(list(model.named_parameters()))"
    assert run(tmp_path, program)["noted"] == []


class Seen:
    """An observation of one entry."""

    def __init__(self, operation, kind):
        fact = type("F", (), {"about": kind})
        self._entry = type("E", (), {"operation": operation, "fact": fact})

    entries = ()

    def telling(self, _entries):
        return self._entry

    def name_at(self, cause, _entry, words, fix):
        return cause, words, fix


@pytest.mark.parametrize(
    ("operation", "kind", "told", "not_told"),
    [
        ("set", "", "sorted(", "dict.fromkeys"),
        ("set", "Parameter", "dict.fromkeys(items)", "sorted("),
        ("set.pop", "Node", "dict.fromkeys(items)", "min("),
        ("set.pop", "", "min(", "sorted("),
        ("hash", "", "zlib.crc32", "itertools"),
        ("hash", "Node", "itertools.count()", "zlib"),
        ("id", "Node", "itertools.count()", "sorted"),
    ],
)
def test_the_fix_is_one_that_works_for_what_is_ordered(operation, kind, told, not_told):
    _cause, words, fix = naming_order(Cause.ADDRESS_ORDER, "something")(Seen(operation, kind))
    assert told in fix
    assert not_told not in fix
    assert kind in words or operation in {"hash", "id"}
