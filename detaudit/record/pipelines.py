"""Leave out of the recording how the stages of a pipeline find out the shapes of what they exchange.

For that a stage is called once on memory as it was found. The values differ in each run and go nowhere
(https://docs.pytorch.org/docs/stable/distributed.pipelining.html).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import ModuleType
from typing import ParamSpec, TypeVar

from detaudit.record.recorder import Recorder
from detaudit.sources.imports import ImportWatch
from detaudit.torch_private.pipelining import MODULE, inference_of

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


def leave_out_inference(recorder: Recorder, imports: ImportWatch) -> None:
    """Record nothing while a stage infers shapes, from when the program imports pipelines."""

    def replace(module: ModuleType) -> None:
        for spot in inference_of(module):
            recorder.scope.replace(*spot, _unrecorded(recorder, spot.current))

    imports.when_imported(MODULE, replace)


def _unrecorded(recorder: Recorder, infer: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
    @functools.wraps(infer)
    def inferring(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
        active, recorder.active = recorder.active, False
        try:
            return infer(*args, **kwargs)
        finally:
            recorder.active = active

    return inferring
