"""What bits hold for, and how two environments differ."""

from __future__ import annotations

import pytest

from detaudit.reference.environments import differing, held_for, in_words, noted_of
from tests.locks import ENVIRONMENT

ON_A_GPU = {**ENVIRONMENT, "devices": ["Some GPU", "Some GPU"], "cuda": "12.6", "cudnn_benchmark": False}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("torch", "2.14.0"),
        ("torch_threads", 1),
        ("cpu", "AMD Something"),
        ("cpu_capability", "AVX512"),
        ("default_dtype", "torch.float64"),
        ("deterministic_algorithms", True),
        ("mkldnn", False),
        ("env:MKL_CBWR", "COMPATIBLE"),
        ("devices", ["Some GPU"]),
    ],
)
def test_what_changes_bits_without_anybodys_fault_is_held(key, value):
    assert held_for(ENVIRONMENT) != held_for({**ENVIRONMENT, key: value})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("platform", "another"),
        ("python", "3.14.0"),
        ("numpy", "9.9"),
        ("cpu", "Intel Something Else"),
        ("cpu_count", 64),
        ("hash_randomization", False),
        ("cudnn_benchmark", True),
        ("env:OMP_NUM_THREADS", "2"),
        ("env:CUBLAS_WORKSPACE_CONFIG", ":4096:8"),
    ],
)
def test_what_should_not_change_the_numbers_is_not_held(key, value):
    assert held_for(ENVIRONMENT) == held_for({**ENVIRONMENT, key: value})


def test_settings_of_a_gpu_count_where_there_is_one():
    assert held_for(ON_A_GPU)["device"] == "Some GPU"
    for key, value in (("cuda", "13.0"), ("cudnn_benchmark", True), ("env:CUBLAS_WORKSPACE_CONFIG", ":16:8")):
        assert held_for(ON_A_GPU) != held_for({**ON_A_GPU, key: value})


def test_more_of_the_same_gpus_are_the_same_environment():
    assert held_for(ON_A_GPU) == held_for({**ON_A_GPU, "devices": ["Some GPU"]})
    assert held_for(ON_A_GPU) != held_for({**ON_A_GPU, "devices": ["Some GPU", "Other GPU"]})


def test_libraries_and_the_exact_processor_are_noted():
    assert noted_of(ENVIRONMENT) == {"cpu": "Intel Something", "numpy": "2.4.6"}


def test_differences_are_told_from_both_sides():
    found = differing({"threads": "2", "same": "1", "gone": "x"}, {"threads": "1", "same": "1", "new": "y"})
    assert found == {"threads": ("2", "1"), "gone": ("x", "not set"), "new": ("not set", "y")}
    assert in_words({"threads": ("2", "1")}) == "threads: 2 there, 1 here"


def test_settings_read_as_words():
    held = held_for(ENVIRONMENT)
    assert (held["dtype"], held["mkldnn"], held["deterministic-algorithms"]) == ("float32", "yes", "no")
    assert (held["cpu"], held["device"]) == ("Intel", "cpu")
