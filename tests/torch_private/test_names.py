"""Every private name of torch that is relied on is there, and nothing but one room touches any.

This file can be run against another torch, in a folder of its own that PYTHONPATH names.
"""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import pytest
import torch

from detaudit import torch_private
from detaudit.torch_private.names import BY_NAME, BY_POSITION, NAMES, PrivateName

ROOT = Path(__file__).parents[2]
ROOM = ROOT / "detaudit" / "torch_private"
ELSEWHERE = [
    file
    for package in ("detaudit", "pytest_detaudit")
    for file in sorted((ROOT / package).rglob("*.py"))
    if file.parent != ROOM
]
DISTINCT = {one.name for one in NAMES} - {"__next__", "counters", "deterministic", "fallback_random"}
"""Names that nothing else has, nor torch in public."""
OVERRIDDEN = {one.name for one in NAMES if one.owner.endswith("TorchDispatchMode")}
NOT_TORCHS = frozenset(
    {
        # python's own
        "_DummyThread", "_RandomNameSequence", "_bootstrap_inner", "_exit", "_getframe", "_inst", "_is_owned",
        "_is_zero", "_replace", "_run_exitfuncs", "_set", "_shutdown", "_value_",
        # numpy's, triton's
        "_MT19937", "_bit_generator", "_rand", "_sum_combine",
        # detaudit's
        "_load", "_name", "_process", "_seed", "_sites", "_streams",
    }
)  # fmt: skip
"""Private attributes that detaudit asks for of others than torch. A new one is to be added here."""


def a_loader_iterator(workers=0):
    return iter(torch.utils.data.DataLoader([0, 1], num_workers=workers))


def an_optimizer():
    return torch.optim.SGD([torch.zeros(1, requires_grad=True)])


def a_compiled_module():
    return torch.compile(torch.nn.Linear(1, 1))


MADE = {
    "torch.Generator": torch.Generator,
    "torch.UntypedStorage": lambda: torch.zeros(1).untyped_storage(),
    "torch._dynamo.eval_frame.OptimizedModule": a_compiled_module,
    "torch._ops.OpOverload": lambda: torch.ops.aten.add.Tensor,
    "torch.autograd.graph.Node": lambda: (torch.zeros(1, requires_grad=True) * 2).grad_fn,
    "torch.nn.Module": torch.nn.Module,
    "torch.optim.Optimizer": an_optimizer,
    "torch.utils.data.RandomSampler": lambda: torch.utils.data.RandomSampler([0]),
    "torch.utils.data.dataloader._BaseDataLoaderIter": a_loader_iterator,
    "torch.utils.data.dataloader._MultiProcessingDataLoaderIter": lambda: a_loader_iterator(1),
}
"""Objects of the classes whose attributes belong to objects."""


def found(path):
    """What a dotted path leads to, importing modules on the way."""
    parts = path.split(".")
    for count in range(len(parts), 0, -1):
        try:
            module = importlib.import_module(".".join(parts[:count]))
        except ImportError:
            continue
        return functools.reduce(getattr, parts[count:], module)
    raise ImportError(path)


def is_there(one):
    try:
        found(f"{one.owner}.{one.name}")
    except (ImportError, AttributeError):
        return one.owner in MADE and hasattr(MADE[one.owner](), one.name)
    return True


def touched(source):
    """Lines of a source with the private names that they touch, if these may be torch's."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                paths = [one.name for one in names]
            case ast.ImportFrom(module=str(module), names=names):
                paths = [f"{module}.{one.name}" for one in names]
            case ast.Attribute(attr=name) if is_private(name):
                own = isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"}
                paths = [] if own or name in NOT_TORCHS else [f"torch.{name}"]
            case ast.Constant(value=str(name)) if name in DISTINCT:
                paths = [f"torch.{name}"]
            case ast.FunctionDef(name=name) if name in OVERRIDDEN:
                paths = [f"torch.{name}"]
            case ast.Constant(value=str(text)) if re.fullmatch(r"torch(\.\w+)+", text):
                paths = [text]
            case _:
                continue
        for path in paths:
            first, *others = path.split(".")
            if first == "torch":
                yield from ((node.lineno, one) for one in others if is_private(one) or one in DISTINCT)


def is_private(name):
    return name.startswith("_") and not name.startswith("__")


@pytest.mark.parametrize("one", NAMES, ids=lambda one: f"{one.owner}.{one.name}")
def test_torch_has_the_name(one):
    if not is_there(one):
        pytest.fail(one.missing(torch.__version__), pytrace=False)


def test_a_name_that_is_gone_is_told_with_what_stops_working():
    gone = PrivateName("torch._C", "_no_such_name", "operators are not seen")
    assert not is_there(gone)
    said = "torch 9.0 has no torch._C._no_such_name. Without it, operators are not seen."
    assert gone.missing("9.0") == said
    assert not is_there(PrivateName("torch.nn.Module", "_no_such_name", "nothing is recorded"))


@pytest.mark.parametrize("path", BY_NAME)
def test_the_parameters_are_called_as_they_were(path):
    taken = inspect.signature(found(path)).parameters
    missing = [name for name in BY_NAME[path] if name not in taken]
    assert not missing, f"{path} of torch {torch.__version__} takes no {missing[0]}"


@pytest.mark.parametrize("path", BY_POSITION)
def test_arguments_are_taken_by_position_as_they_were(path):
    count = BY_POSITION[path]
    try:
        inspect.signature(found(path)).bind(*range(count))
    except TypeError as error:
        pytest.fail(f"{path} of torch {torch.__version__} does not take {count} arguments: {error}")


@pytest.mark.parametrize("name", [one.name for one in pkgutil.iter_modules(torch_private.__path__)])
def test_each_file_of_the_room_can_be_imported(name):
    assert importlib.import_module(f"detaudit.torch_private.{name}").__doc__


def test_the_room_touches_the_names_that_are_listed_and_no_others():
    """A name that is no longer touched leaves the list, and one that is new comes into it."""
    files = {file: file.read_text() for file in ROOM.glob("*.py") if file.name != "names.py"}
    parts = {part for one in NAMES for part in f"{one.owner}.{one.name}".split(".")}
    unlisted = {
        (file.name, line, name)
        for file, source in files.items()
        for line, name in touched(source)
        if name not in parts
    }
    assert unlisted == set()
    words = set(re.findall(r"\w+", "\n".join(files.values())))
    assert [one for one in NAMES if one.name not in words] == []


@pytest.mark.parametrize("file", ELSEWHERE, ids=lambda file: str(file.relative_to(ROOT)))
def test_no_private_name_of_torch_is_touched_elsewhere(file):
    places = [f"line {line}: {name}" for line, name in touched(file.read_text())]
    assert not places, (
        f"{file.relative_to(ROOT)} touches private names of torch ({'; '.join(places)}): give them names in "
        "detaudit/torch_private, or list them in NOT_TORCHS where they are not torch's"
    )


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("import torch\nguard = torch._C._DisableTorchDispatch()", {"_C", "_DisableTorchDispatch"}),
        ("from torch._C import DisableTorchFunction", {"_C", "DisableTorchFunction"}),
        ("from torch.utils.data.dataloader import _BaseDataLoaderIter", {"_BaseDataLoaderIter"}),
        ("def read():\n    import torch._inductor.config as inductor", {"_inductor"}),
        ("def worker(iterator):\n    return iterator._rcvd_idx", {"_rcvd_idx"}),
        ("def new(tensor):\n    return tensor._no_such_name_yet", {"_no_such_name_yet"}),
        ("scope.replace(DataLoader, '_get_iterator', making)", {"_get_iterator"}),
        ("sys.modules.get('torch._dynamo.utils')", {"_dynamo"}),
        ("fake = type(tensor).__name__ == 'FakeTensor'", {"FakeTensor"}),
        ("class Mode:\n    def _should_skip_dynamo(cls):\n        return False", {"_should_skip_dynamo"}),
        ("import torch\nimport _thread\nfrom concurrent.futures import _base", set()),
        ("class Loader:\n    def __init__(self):\n        self._workers = sys._getframe().__name__", set()),
        ("text = 'torch.manual_seed'\nname = '_not_a_name_of_torch'", set()),
    ],
)
def test_what_touches_a_private_name_is_flagged_and_nothing_else(source, names):
    assert {name for _, name in touched(source)} == names
