"""Collect the versions and settings that a run's numbers may depend on."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys

import torch

from detaudit.torch_private.by_name import compile_counters

_PACKAGES = ("numpy", "torch", "transformers", "accelerate", "lightning", "scikit-learn", "torchvision")

_VARIABLES = (
    "PYTHONHASHSEED",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "MKL_CBWR",
    "MKL_ENABLE_INSTRUCTIONS",
    "OPENBLAS_NUM_THREADS",
    "ATEN_CPU_CAPABILITY",
    "ONEDNN_MAX_CPU_ISA",
    "DNNL_MAX_CPU_ISA",
    "CUBLAS_WORKSPACE_CONFIG",
    "CUDA_VISIBLE_DEVICES",
    "NVIDIA_TF32_OVERRIDE",
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
)


def environment() -> dict[str, object]:
    """Collect versions, hardware and settings. Draws no random number and starts no device."""
    values: dict[str, object] = {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": _cpu_name(),
        "cpu_count": os.cpu_count(),
    }
    values.update({name: version for name in _PACKAGES if (version := _version(name))})
    values.update(_torch_settings())
    values.update({f"env:{name}": os.environ[name] for name in _VARIABLES if name in os.environ})
    if torch.cuda.is_initialized():
        values["cuda"] = torch.version.cuda
        values["cudnn_tf32"] = torch.backends.cudnn.allow_tf32
        values["devices"] = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    compiled = compile_counters()
    if compiled is not None and compiled["stats"]["unique_graphs"]:
        values["compiled_graphs"] = compiled["stats"]["unique_graphs"]
    device = sys.modules.get("detaudit.digest.device")
    if device is not None and device.used():
        values["digests"] = device.used()
    return values


def _torch_settings() -> dict[str, object]:
    return {
        "torch_threads": torch.get_num_threads(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "default_dtype": str(torch.get_default_dtype()),
        "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
        "mkldnn": torch.backends.mkldnn.enabled,
        "float32_matmul_precision": torch.get_float32_matmul_precision(),
        "cudnn_benchmark": torch.backends.cudnn.benchmark,
        "cudnn_deterministic": torch.backends.cudnn.deterministic,
        "hash_randomization": bool(sys.flags.hash_randomization),
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _cpu_name() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        return platform.processor()
    return platform.processor()
