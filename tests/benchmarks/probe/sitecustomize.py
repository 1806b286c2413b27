"""Writes down, when a Python process ends, the bits of every tensor and generator that is then alive.

Put in front on PYTHONPATH, so that it is in the audited program and in all that the program starts. It knows
nothing of detaudit, does nothing before the end, and runs no torch op: bytes are read straight from storages.
It does not look for another sitecustomize behind it: plain and recorded runs do without one alike.
"""

import atexit
import contextlib
import ctypes
import gc
import os
import sys

FOLDER = os.environ.get("PROBE_FOLDER")


def write_fingerprints():
    """Write one line for each tensor and generator into a file that is named by the process."""
    torch = sys.modules.get("torch")
    if torch is None or not hasattr(torch, "Tensor"):
        return
    gc.collect()
    lines = [*_generators(torch), *_tensors(torch)]
    with open(os.path.join(FOLDER, f"{os.getpid()}.txt"), "w") as file:  # noqa: PTH118, PTH123 - imports little
        file.write("\n".join(lines))


def _digest(data):
    import hashlib

    return hashlib.blake2b(data, digest_size=16).hexdigest()


def _generators(torch):
    yield f"torch generator {_storage_digest(torch.default_generator.get_state())}"
    if "random" in sys.modules:
        yield f"python generator {_digest(repr(sys.modules['random'].getstate()).encode())}"
    if "numpy" in sys.modules and hasattr(sys.modules["numpy"], "random"):
        state = sys.modules["numpy"].random.get_state(legacy=False)["state"]
        yield f"numpy generator {state['pos']} {_digest(state['key'].tobytes())}"


def _tensors(torch):
    plain = (torch.Tensor, torch.nn.Parameter, torch.nn.Buffer)
    alive = [thing for thing in gc.get_objects() if type(thing) in plain]
    # A gradient is an object of Python's only once somebody has looked at it.
    alive += [t.grad for t in alive if t.is_leaf and t.grad is not None]
    seen = {id(tensor): tensor for tensor in alive}
    for tensor in seen.values():
        yield from _parts(torch, tensor)


def _parts(torch, tensor):
    if tensor.device.type != "cpu" or type(tensor).__name__.startswith("Uninitialized"):
        return
    if tensor.layout != torch.strided:
        inner = [tensor._indices(), tensor._values()] if tensor.layout == torch.sparse_coo else []
        for part in inner:
            yield from _parts(torch, part)
        return
    with contextlib.suppress(NotImplementedError, RuntimeError):
        place = (tuple(tensor.shape), tensor.stride(), tensor.storage_offset())
        yield f"tensor {tensor.dtype} {place} {_storage_digest(tensor)}"


def _storage_digest(tensor):
    storage = tensor.untyped_storage()
    size = storage.nbytes()
    return _digest((ctypes.c_char * size).from_address(storage.data_ptr()) if size else b"")


if FOLDER:
    atexit.register(write_fingerprints)
