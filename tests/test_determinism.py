"""The switches that make torch deterministic."""

import os
import random
import warnings
from functools import partial

import numpy as np
import pytest
import torch

import detaudit
from detaudit.determinism import WORKSPACE

UNPOOL = torch.nn.MaxUnpool1d(2)
CUDA = torch.backends.cuda


def read_settings():
    """Everything that the block may change, read without detaudit."""
    import torch._inductor.config as inductor

    older = []
    for read in (lambda: torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision):
        try:
            older.append(read())
        except RuntimeError:
            older.append("contradicts the newer switches")
    keys = [(device, op) for device in ("cuda", "mkldnn") for op in ("all", "matmul", "conv", "rnn")]
    return (
        torch.get_deterministic_debug_mode(),
        inductor.deterministic,
        torch.utils.deterministic.fill_uninitialized_memory,
        torch.backends.cudnn.deterministic,
        torch.backends.cudnn.benchmark,
        CUDA.matmul.allow_fp16_reduced_precision_reduction_split_k,
        CUDA.matmul.allow_fp16_reduced_precision_reduction,
        CUDA.matmul.allow_bf16_reduced_precision_reduction,
        CUDA.matmul.allow_fp16_accumulation,
        CUDA.fp16_bf16_reduction_math_sdp_allowed(),
        torch.backends.fp32_precision,
        *(torch._C._get_fp32_precision_getter(*key) for key in keys),
        *older,
        os.environ.get(WORKSPACE),
    )


@pytest.fixture(autouse=True)
def nothing_is_left_behind():
    """Warnings are errors in these tests, and the settings must be the default ones after each."""
    before = read_settings()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield
    assert read_settings() == before


@pytest.fixture
def with_cuda(monkeypatch):
    monkeypatch.setattr(CUDA, "is_built", lambda: True)
    monkeypatch.delenv(WORKSPACE, raising=False)


def unpool():
    """Calls an operator that has no deterministic algorithm, not even on the CPU."""
    return UNPOOL(torch.ones(1, 1, 2), torch.tensor([[[0, 3]]]))


def test_what_has_no_deterministic_algorithm_raises_inside_and_not_outside():
    unpool()
    with detaudit.deterministic(), pytest.raises(RuntimeError, match="deterministic"):
        unpool()
    unpool()


def test_it_can_warn_instead():
    with detaudit.deterministic(warn_only=True), pytest.warns(UserWarning, match="deterministic"):
        unpool()


@pytest.mark.parametrize("fill", [True, False])
def test_uninitialised_memory_is_filled_unless_told_otherwise(fill):
    with detaudit.deterministic(fill_memory=fill):
        assert torch.utils.deterministic.fill_uninitialized_memory is fill
        if fill:
            assert torch.empty(100).isnan().all()


def test_each_switch_is_set_inside():
    with detaudit.deterministic() as switches:
        assert torch.are_deterministic_algorithms_enabled()
        assert torch.backends.cudnn.deterministic
        assert not torch.backends.cudnn.benchmark
        assert not torch.backends.cudnn.allow_tf32
        assert not CUDA.matmul.allow_tf32
        assert not CUDA.matmul.allow_bf16_reduced_precision_reduction
        assert torch.get_float32_matmul_precision() == "highest"
    changed = {switch.name for switch in switches if switch.changed}
    assert "torch.backends.cudnn.allow_tf32" in changed
    assert "torch.backends.cudnn.benchmark" not in changed


def fast_products():
    torch.set_float32_matmul_precision("medium")


def fast_convolutions_by_the_newer_switch():
    torch.backends.cudnn.conv.fp32_precision = "ieee"


def contradicting_products():
    CUDA.matmul.fp32_precision = "tf32"


def fast_everything():
    torch.backends.fp32_precision = "tf32"


def no_splits():
    CUDA.matmul.allow_fp16_reduced_precision_reduction = (False, False)


def warnings_only():
    torch.use_deterministic_algorithms(mode=True, warn_only=True)


PROGRAMS = [
    fast_products,
    fast_convolutions_by_the_newer_switch,
    contradicting_products,
    fast_everything,
    no_splits,
    warnings_only,
]


@pytest.fixture(params=PROGRAMS, ids=lambda program: program.__name__)
def settings_of_a_program(request):
    """Change the settings as programs do, and put the default ones back."""
    import torch._inductor.config as inductor

    keys = [("cuda", "matmul"), ("cuda", "conv"), ("mkldnn", "matmul")]
    own = {key: torch._C._get_fp32_precision_getter(*key) for key in keys}
    request.param()
    yield read_settings()
    torch.backends.fp32_precision = "none"
    torch.set_float32_matmul_precision("highest")
    for key, value in own.items():
        torch._C._set_fp32_precision_setter(*key, value)
    CUDA.matmul.allow_fp16_reduced_precision_reduction = True
    torch.use_deterministic_algorithms(mode=False)
    inductor.deterministic = False


def test_whatever_a_program_has_set_is_put_back(settings_of_a_program):
    with detaudit.deterministic() as switches:
        assert read_settings() != settings_of_a_program
        assert str(switches["torch.use_deterministic_algorithms"]).endswith("-> on")
        precisions = {switch.now for switch in switches if switch.name.endswith(".fp32_precision")}
        assert precisions == {"ieee"}
    assert read_settings() == settings_of_a_program


def test_sums_that_must_not_be_split_are_not_split_inside_either(settings_of_a_program):
    splits = CUDA.matmul.allow_fp16_reduced_precision_reduction_split_k
    with detaudit.deterministic():
        assert CUDA.matmul.allow_fp16_reduced_precision_reduction_split_k == splits
    assert read_settings() == settings_of_a_program


def test_an_inherited_precision_is_still_inherited_afterwards():
    torch.backends.fp32_precision = "tf32"
    with detaudit.deterministic():
        pass
    torch.backends.fp32_precision = "none"
    assert torch.backends.mkldnn.conv.fp32_precision == "none"


def test_everything_is_put_back_after_an_exception():
    before = read_settings()
    with pytest.raises(RuntimeError, match="deterministic"), detaudit.deterministic():
        unpool()
    assert read_settings() == before


def test_an_inner_block_leaves_the_outer_one_as_it_was():
    with detaudit.deterministic(warn_only=True):
        outer = read_settings()
        with detaudit.deterministic() as inner:
            assert not torch.is_deterministic_algorithms_warn_only_enabled()
        assert read_settings() == outer
    assert str(inner["torch.use_deterministic_algorithms"]).endswith("warn only -> on")


def test_it_decorates_a_function_that_is_called_again():
    @detaudit.deterministic()
    def switched_on():
        return torch.are_deterministic_algorithms_enabled()

    assert [switched_on(), switched_on()] == [True, True]
    assert not torch.are_deterministic_algorithms_enabled()


def test_no_random_number_is_drawn():
    states = random.getstate, torch.get_rng_state, partial(np.random.get_state, legacy=False)
    before = [str(state()) for state in states]
    with detaudit.deterministic():
        assert [str(state()) for state in states] == before
    np.random.random()  # noqa: NPY002 - the global generator
    assert str(states[2]()) != before[2]


@pytest.mark.usefixtures("with_cuda")
def test_the_workspace_of_cublas_is_set_for_the_block():
    with detaudit.deterministic() as switches:
        assert os.environ[WORKSPACE] == ":4096:8"
    assert WORKSPACE not in os.environ
    assert str(switches[WORKSPACE]) == f"{WORKSPACE}: not set -> :4096:8"


@pytest.mark.usefixtures("with_cuda")
def test_a_workspace_that_came_late_says_so(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    with detaudit.deterministic() as switches:
        assert "too late" in switches[WORKSPACE].note


@pytest.mark.parametrize(("value", "repeats"), [(":16:8", True), (":0:0", False)])
@pytest.mark.usefixtures("with_cuda")
def test_a_workspace_that_the_user_chose_stays(monkeypatch, value, repeats):
    monkeypatch.setenv(WORKSPACE, value)
    with detaudit.deterministic() as switches:
        assert os.environ[WORKSPACE] == value
    assert (switches[WORKSPACE].note == "") is repeats
    monkeypatch.delenv(WORKSPACE)


def test_without_cuda_the_environment_stays(monkeypatch):
    monkeypatch.setattr(CUDA, "is_built", lambda: False)
    with detaudit.deterministic() as switches, pytest.raises(KeyError):
        switches[WORKSPACE]


def test_the_report_shows_first_what_was_changed():
    with detaudit.deterministic() as switches:
        lines = str(switches).splitlines()
    assert lines[0] == "torch.use_deterministic_algorithms: off -> on"
    assert lines[-1].endswith(", as before")
    assert len(lines) == len(switches.all)
