"""Select the part of an environment that decides the bits of a run, and list how two environments differ.

A lock holds for the things that change the last bits of a program without anybody's fault: the device, the
build of torch, the instructions of the processor and its maker (libraries of kernels choose by both), the
number of threads, and torch's settings. Where one of them differs, the same bits cannot be expected.

A lock does not hold for what should not change the numbers, or does so only where something is wrong: the
versions of Python, numpy and other libraries, the exact processor, the operating system. A new numpy that
changes the training is a difference that a lock is there to show. Some of these facts are noted, and
reported where the bits differ.
"""

from __future__ import annotations

from collections.abc import Mapping

_ALWAYS = {
    "torch": "torch",
    "threads": "torch_threads",
    "cpu-capability": "cpu_capability",
    "dtype": "default_dtype",
    "deterministic-algorithms": "deterministic_algorithms",
    "matmul-precision": "float32_matmul_precision",
    "mkldnn": "mkldnn",
}
"""Names of settings in a lock, with their names in the environment of a trace."""

_ON_A_GPU = {
    "cuda": "cuda",
    "cudnn-benchmark": "cudnn_benchmark",
    "cudnn-deterministic": "cudnn_deterministic",
}

_VARIABLES = (
    "MKL_CBWR",
    "MKL_ENABLE_INSTRUCTIONS",
    "ONEDNN_MAX_CPU_ISA",
    "DNNL_MAX_CPU_ISA",
)
"""Variables that choose kernels and show nowhere else. Numbers of threads show in torch's own number."""

_VARIABLES_ON_A_GPU = ("CUBLAS_WORKSPACE_CONFIG", "NVIDIA_TF32_OVERRIDE", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE")

_NOTED = ("python", "cpu", "numpy", "transformers", "accelerate", "lightning", "scikit-learn", "torchvision")

_MAKERS = ("Intel", "AMD", "ARM", "Apple", "IBM")


def held_for(environment: Mapping[str, object]) -> dict[str, str]:
    """Select the facts of a trace's environment for which the bits of the run hold."""
    devices = environment.get("devices")
    names = [str(name) for name in devices] if isinstance(devices, list) else []
    is_on_a_gpu = bool(names)
    # Of the processor, its maker: the model differs from one rented machine to the next.
    held = {"device": " + ".join(sorted(set(names))) or "cpu", "cpu": _maker(str(environment.get("cpu", "")))}
    keys = {**_ALWAYS, **(_ON_A_GPU if is_on_a_gpu else {})}
    held |= {name: _shown(environment[key]) for name, key in keys.items() if key in environment}
    variables = (*_VARIABLES, *(_VARIABLES_ON_A_GPU if is_on_a_gpu else ()))
    return held | {
        name: str(environment[f"env:{name}"]) for name in variables if f"env:{name}" in environment
    }


def noted_of(environment: Mapping[str, object]) -> dict[str, str]:
    """Select the facts that should not change the bits, but may do so all the same."""
    return {name: str(environment[name]) for name in _NOTED if name in environment}


def differing(theirs: Mapping[str, str], ours: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """List the facts that differ between two environments, each with their value and our value."""
    return {
        name: (theirs.get(name, "not set"), ours.get(name, "not set"))
        for name in {**theirs, **ours}
        if theirs.get(name) != ours.get(name)
    }


def in_words(differences: Mapping[str, tuple[str, str]]) -> str:
    """Put differences into words: `threads: 8 there, 2 here; ...`."""
    return "; ".join(f"{name}: {theirs} there, {ours} here" for name, (theirs, ours) in differences.items())


def _maker(processor: str) -> str:
    return next((maker for maker in _MAKERS if maker.lower() in processor.lower()), processor or "unknown")


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value).removeprefix("torch.")
