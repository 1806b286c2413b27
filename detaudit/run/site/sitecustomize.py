"""Run by Python at the start of an audited program, and of every Python that it starts.

This folder stands first on PYTHONPATH then. It takes itself off the path, prepares the recording and
hands on to the sitecustomize that would have run without it.
"""

import importlib.machinery
import importlib.util
import os
import sys

_here = os.path.dirname(os.path.abspath(__file__))
_package_parent = os.path.dirname(os.path.dirname(os.path.dirname(_here)))


def _prepare() -> None:
    # At the end of the path, and only for this import: nothing of the user's may be shadowed.
    sys.path.append(_package_parent)
    try:
        from detaudit.run.bootstrap import prepare
    finally:
        sys.path.remove(_package_parent)
    prepare()


def _hand_on() -> None:
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", sys.path)
    if spec is None or spec.loader is None or spec.origin == __file__:
        return
    module = importlib.util.module_from_spec(spec)
    sys.modules["sitecustomize"] = module
    spec.loader.exec_module(module)


sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry) != _here]
sys.path_importer_cache.pop(_here, None)
if os.environ.get("DETAUDIT_SESSION"):
    _prepare()
_hand_on()
