"""The import watch calls back once, when a module has really run, and shows itself to nobody."""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import inspect
import pkgutil
import sys
import threading

import pytest

from detaudit.sources.imports import ImportWatch

NAME = "awaited_by_the_watch"
SOURCE = """import sys
sys.executions.append(__name__)
value = 1
if sys.failing:
    raise ImportError("not yet")
"""


@pytest.fixture
def called(tmp_path, monkeypatch):
    """Modules that a watch called back with."""
    (tmp_path / f"{NAME}.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    monkeypatch.setattr(sys, "executions", [], raising=False)
    monkeypatch.setattr(sys, "failing", False, raising=False)
    monkeypatch.delitem(sys.modules, NAME, raising=False)
    modules = []
    ImportWatch().when_imported(NAME, modules.append)
    yield modules
    sys.modules.pop(NAME, None)


def test_a_module_is_called_back_with_once_it_has_run(called):
    """An import calls back with the module, complete, and the watch is gone after it."""
    finders = len(sys.meta_path)
    module = importlib.import_module(NAME)

    assert called == [module]
    assert called[0].value == 1
    assert len(sys.meta_path) == finders - 1


def test_to_ask_for_a_module_is_not_to_import_it(called):
    """However often its spec is asked for, the watch waits for the import."""
    for _ in range(3):
        assert importlib.util.find_spec(NAME) is not None
        assert pkgutil.find_loader(NAME) if sys.version_info < (3, 12) else True
    assert called == []
    assert sys.executions == []

    importlib.import_module(NAME)
    assert len(called) == 1


def test_a_spec_can_be_executed_by_hand(called):
    """`module_from_spec` and `exec_module`, as the documentation of importlib does it, call back."""
    spec = importlib.util.find_spec(NAME)
    module = importlib.util.module_from_spec(spec)
    sys.modules[NAME] = module
    assert called == []
    spec.loader.exec_module(module)

    assert called == [module]


def test_a_copy_that_is_not_importable_is_not_the_module(called):
    """A module that is executed without being in sys.modules is somebody's own copy: the watch goes on."""
    spec = importlib.util.find_spec(NAME)
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    assert called == []

    module = importlib.import_module(NAME)
    assert called == [module]


@pytest.mark.parametrize("before", [True, False], ids=["before the watch", "after the watch"])
def test_a_lazy_module_is_called_back_with_at_its_first_use(called, before):
    """LazyLoader puts an empty module in place; only its first use runs it, and the watch does not use it."""
    if before:
        sys.meta_path[:] = [one for one in sys.meta_path if not isinstance(one, ImportWatch)]
    spec = importlib.util.find_spec(NAME)
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules[NAME] = module
    spec.loader.exec_module(module)
    if before:
        ImportWatch().when_imported(NAME, called.append)
    assert sys.executions == []
    assert called == []

    assert module.value == 1
    assert called == [module]
    assert sys.executions == [NAME]


def test_an_import_that_fails_is_waited_for_again(called):
    """A module that raises half-way is not imported; when it succeeds at last, the watch calls back once."""
    sys.failing = True
    for _ in range(2):
        with pytest.raises(ImportError, match="not yet"):
            importlib.import_module(NAME)
    assert called == []

    sys.failing = False
    importlib.import_module(NAME)
    assert len(called) == 1


def test_reloading_does_not_call_back_again(called):
    """A module that is reloaded was imported once."""
    module = importlib.import_module(NAME)
    importlib.reload(module)

    assert sys.executions == [NAME, NAME]
    assert called == [module]


def test_threads_that_import_at_once_call_back_once(called):
    """The first import counts, whichever thread it is in."""
    threads = [threading.Thread(target=importlib.import_module, args=(NAME,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(called) == 1


def test_several_watches_of_one_module_are_all_told(called):
    """Each watch calls back once, however many there are, and in whatever order they ask."""
    others = []
    for _ in range(2):
        ImportWatch().when_imported(NAME, others.append)
    importlib.util.find_spec(NAME)
    importlib.import_module(NAME)

    assert len(called) == 1
    assert len(others) == 2


@pytest.mark.usefixtures("called")
def test_a_spec_is_the_usual_one():
    """Type, methods and equality of spec and loader are as without a watch, and nothing stays in them."""
    spec = importlib.util.find_spec(NAME)
    plain = importlib.machinery.PathFinder.find_spec(NAME)

    assert type(spec.loader) is type(plain.loader)
    assert (spec.origin, spec.cached, spec.loader.path) == (plain.origin, plain.cached, plain.loader.path)
    assert spec.loader.get_source(NAME) == SOURCE
    assert spec.loader.get_code(NAME) is not None
    assert spec.loader.is_package(NAME) is False
    assert spec.loader.get_data(spec.origin) == SOURCE.encode()
    assert spec == importlib.util.find_spec(NAME)
    module = importlib.import_module(NAME)
    assert module.__loader__ == plain.loader
    assert module.__spec__ == plain
    assert inspect.getsource(module) == SOURCE


def test_a_loader_that_serves_all_modules_is_left_alone(called):
    """Where the loader is a class, or takes no attributes, something stands in for it in one spec."""

    class Everything:
        __slots__ = ()

        def create_module(self, _spec):
            return None

        def exec_module(self, module):
            module.value = 2

        def get_code(self, name):
            return f"code of {name}"

    loader = Everything()

    class Finder:
        def find_spec(self, name, *_):
            return importlib.machinery.ModuleSpec(name, loader) if name == NAME else None

    sys.meta_path.insert(1, Finder())
    assert importlib.util.find_spec(NAME).loader.get_code("it") == "code of it"
    module = importlib.import_module(NAME)

    assert called == [module]
    assert module.value == 2
    assert module.__spec__.loader is loader
    assert module.__loader__ is loader


@pytest.mark.parametrize("place", [0, 2], ids=["before", "behind"])
def test_a_finder_that_asks_all_others_is_answered(called, place):
    """A finder before or behind the watch that asks all finders but itself finds what it looks for."""

    class Asking:
        def find_spec(self, name, path, target=None):
            others = [one for one in sys.meta_path if one is not self]
            found = (one.find_spec(name, path, target) for one in others)
            return next((spec for spec in found if spec is not None), None)

    assert isinstance(sys.meta_path[0], ImportWatch)
    sys.meta_path.insert(place, Asking())
    importlib.invalidate_caches()

    assert importlib.util.find_spec(NAME) is not None
    importlib.import_module(NAME)
    assert len(called) == 1


@pytest.mark.usefixtures("called")
def test_a_module_that_is_not_there_is_not_found():
    """What no finder finds is not found by the watch either, and it goes on waiting."""
    missing = []
    ImportWatch().when_imported("there_is_no_such_module", missing.append)

    assert importlib.util.find_spec("there_is_no_such_module") is None
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("there_is_no_such_module")
    assert missing == []


def test_a_module_that_is_there_is_called_back_with_at_once():
    """What is imported already is not waited for."""
    modules, finders = [], list(sys.meta_path)
    ImportWatch().when_imported("sys", modules.append)

    assert modules == [sys]
    assert sys.meta_path == finders
