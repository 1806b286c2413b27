"""The same random numbers in two runs."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from detaudit.replay.draws.common import kept_draws, taken_draws
from detaudit.replay.draws.exchange import unfused_attention, unfused_recurrence
from detaudit.replay.draws.files import DrawFile, read_draws

ONES = torch.ones(4, 6)
RAMP = torch.linspace(-1, 1, 24)


def _lstm():
    return nn.LSTM(6, 4, 2, dropout=0.5)(ONES.unsqueeze(0).repeat(5, 1, 1))[0]


def _attention():
    return functional.scaled_dot_product_attention(*3 * [torch.ones(1, 2, 5, 4)], dropout_p=0.5)


def _conditional():
    return torch.cond(ONES.sum() < 0, torch.sin, lambda x: functional.dropout(x, 0.5), (ONES,))


def _without_gradients():
    with torch.inference_mode():
        return functional.dropout(ONES, 0.3)


DRAWS = {
    "dropout": lambda: functional.dropout(ONES, 0.3),
    "dropout2d": lambda: functional.dropout2d(torch.ones(3, 5, 2, 2)),
    "alpha dropout": lambda: functional.alpha_dropout(ONES, 0.5, training=True),
    "dropout in inference": _without_gradients,
    "lstm": _lstm,
    "attention": _attention,
    "rrelu": lambda: functional.rrelu(RAMP, training=True),
    "rrelu in place": lambda: functional.rrelu(RAMP.clone(), training=True, inplace=True),
    "randn": lambda: torch.randn(7),
    "scalar": lambda: torch.randn(()),
    "complex": lambda: torch.randn(3, dtype=torch.complex64),
    "bfloat16": lambda: torch.randn(9, dtype=torch.bfloat16),
    "rand_like": lambda: torch.rand_like(ONES.t()),
    "randint": lambda: torch.randint(0, 999, (5,)),
    "randperm": lambda: torch.randperm(50),
    "normal_": lambda: torch.empty(8).normal_(1, 3),
    "normal of tensors": lambda: torch.normal(RAMP, RAMP.abs()),
    "uniform_": lambda: torch.empty(8).uniform_(-2, 5),
    "exponential_": lambda: torch.empty(8).exponential_(2),
    "bernoulli of a tensor": lambda: torch.bernoulli(torch.full((40,), 0.5)),
    "multinomial": lambda: torch.multinomial(torch.ones(200), 3),
    "poisson": lambda: torch.poisson(torch.full((9,), 30.0)),
    "gamma": lambda: torch.distributions.Gamma(ONES, ONES).sample(),
    "own generator": lambda: torch.randn(3, generator=torch.Generator().manual_seed(torch.initial_seed())),
    "init": lambda: nn.init.kaiming_uniform_(nn.Parameter(torch.empty(5, 5))).detach(),
    "vmap": lambda: torch.vmap(lambda x: x + torch.randn(2), randomness="different")(torch.ones(3, 2)),
}


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_one_run_takes_the_numbers_of_the_other(draw):
    """Dropout, noise, sampling and init are the same on both sides, although the seeds are not."""
    torch.manual_seed(0)
    with kept_draws() as draws:
        kept = draw()
    torch.manual_seed(1)
    with taken_draws(draws) as problems:
        taken = draw()
    torch.manual_seed(1)
    own = draw()

    assert not problems
    assert torch.equal(taken, kept)
    assert not torch.equal(own, kept), "without taking, the numbers are others"


def test_exchanging_leaves_program_and_generators_alone():
    """A run that keeps its numbers draws those that it would, and either goes on as it would have."""
    torch.manual_seed(3)
    plain, state = [draw() for draw in DRAWS.values()], torch.get_rng_state()
    torch.manual_seed(3)
    with kept_draws() as draws:
        kept = [draw() for draw in DRAWS.values()]
    assert all(torch.equal(one, other) for one, other in zip(plain, kept, strict=True))
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(3)
    with taken_draws(draws):
        for draw in DRAWS.values():
            draw()
    assert torch.equal(torch.get_rng_state(), state)


def test_fused_dropout_takes_the_mask_of_the_cpu():
    """What a GPU calls for dropout drops what the CPU dropped, forward and backward."""
    given = torch.linspace(-3, 3, 30, requires_grad=True)
    with kept_draws() as draws:
        kept = functional.dropout(given, 0.3)
    kept.sum().backward()
    with taken_draws(draws) as problems:
        taken, mask = torch.native_dropout(other := given.detach().requires_grad_(), 0.3, train=True)
    taken.sum().backward()

    assert not problems
    assert torch.equal(mask, kept != 0)
    torch.testing.assert_close(taken, kept)
    torch.testing.assert_close(other.grad, given.grad)
    with kept_draws() as fused:
        torch.native_dropout(ONES, 0.3, train=True)
    with taken_draws(fused) as problems:
        functional.dropout(ONES, 0.3)
    assert not problems


DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")),
]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("device", DEVICES)
def test_dropout_from_a_mask_has_the_bits_of_the_kernel(device, dtype):
    """Taking the mask that it would have drawn itself changes no bit of dropout's result."""
    given = torch.randn(4099, device=device).to(dtype)
    for p in (0.1, 0.3, 0.55):
        with kept_draws() as draws:
            kept, _ = torch.native_dropout(given, p, train=True)
        with taken_draws(draws) as problems:
            taken, _ = torch.native_dropout(given, p, train=True)

        assert not problems
        assert torch.equal(taken, kept)


def test_numbers_are_cast_to_the_dtype_of_the_side():
    """float64 takes float32's numbers as they are; bfloat16 rounds them, but never up to an open bound."""
    with kept_draws() as draws:
        noise, uniform = torch.randn(5), torch.rand(50_000)
    with taken_draws(draws) as problems:
        wide, narrow = torch.randn(5, dtype=torch.float64), torch.rand(50_000, dtype=torch.bfloat16)

    assert not problems
    assert torch.equal(wide, noise.double())
    assert bool((uniform.bfloat16() == 1).any()), "plain rounding would reach the bound"
    assert bool((narrow < 1).all())


def test_arithmetic_before_a_sample_still_counts():
    """Samples around a mean that differs between the sides differ by that: only the noise is the same."""
    mean = torch.linspace(-1, 1, 9)
    with kept_draws() as draws:
        kept, wide = torch.normal(mean, 2.0), torch.empty(9).uniform_(0, 1)
    with taken_draws(draws) as problems:
        taken, wider = torch.normal(mean + 0.5, 2.0), torch.empty(9).uniform_(1, 3)

    assert not problems
    torch.testing.assert_close(taken, kept + 0.5)
    torch.testing.assert_close(wider, wide * 2 + 1)


@torch.library.custom_op("detaudit_test::noisy", mutates_args=(), tags=(torch.Tag.nondeterministic_seeded,))
def noisy(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return x + torch.rand_like(x), x.clone()


UNLIKE = {
    "one more": (lambda: [torch.randn(3)], lambda: [torch.randn(3), torch.rand(2)], "nothing more"),
    "one less": (lambda: [torch.randn(3), torch.rand(2)], lambda: [torch.randn(3)], "went on to draw"),
    "another shape": (lambda: torch.randn(3), lambda: torch.randn(4), "randn.default of 4, where"),
    "another operator": (lambda: torch.randn(3), lambda: torch.rand(3), "aten.rand.default of 3, where"),
    "another rate": (lambda: functional.dropout(ONES, 0.5), lambda: functional.dropout(ONES, 0.4), "0.6"),
    "a sign": (
        lambda: functional.rrelu(RAMP, training=True),
        lambda: functional.rrelu(RAMP - 0.1, training=True),
        "draws a slope for each input",
    ),
    "hidden": (_conditional, _conditional, "cond draws and uses"),
    "unseen": (lambda: noisy(ONES), lambda: noisy(ONES), "detaudit_test.noisy draws and uses"),
}


@pytest.mark.parametrize(("first", "second", "words"), UNLIKE.values(), ids=UNLIKE)
def test_what_does_not_match_is_said_and_not_filled(first, second, words):
    """Where two runs do not draw alike, that is said once, and the second goes on with its own numbers."""
    with kept_draws() as draws:
        first()
    torch.manual_seed(5)
    own = second()
    torch.manual_seed(5)
    with taken_draws(draws) as problems:
        taken = second()

    assert words in problems[-1]
    assert len(problems) == 1 + len(draws.problems)
    if len(draws.drawn) == 1 and isinstance(own, torch.Tensor):
        assert torch.equal(taken, own)


def test_a_file_of_draws_comes_back_and_shows_damage(tmp_path):
    """Kept numbers are read as they were written; a cut file ends early, a damaged one is refused."""
    path = str(tmp_path / "a.draws")
    file = DrawFile(path)
    with kept_draws() as draws:
        for draw in DRAWS.values():
            draw()
    for one in draws.drawn:
        file.append(one)
    back = list(read_draws(path))
    assert [one.identity for one in back] == [one.identity for one in draws.drawn]
    assert all(map(torch.equal, (one.numbers[0] for one in back), (one.numbers[0] for one in draws.drawn)))

    content = (tmp_path / "a.draws").read_bytes()
    (tmp_path / "cut.draws").write_bytes(content[:-1])
    assert len(list(read_draws(str(tmp_path / "cut.draws")))) == len(back) - 1
    for number, damage in enumerate((b"{}\n", b"[1]\n", b"nonsense\n", content[:40] + b"\n")):
        (tmp_path / f"{number}.draws").write_bytes(damage + content)
        with pytest.raises(ValueError, match="is damaged"):
            list(read_draws(str(tmp_path / f"{number}.draws")))


def test_dropout_within_fused_kernels_is_unfused_on_a_device():
    """Attention and LSTMs that drop out on a GPU take the path where the mask is seen, and that is named."""
    named, used = [], []

    def attend(*_args, **_kwargs):
        used.append(torch.backends.cuda.flash_sdp_enabled())

    def forward(*_args):
        used.append(torch._C._get_cudnn_enabled())

    attention, recurrence = unfused_attention(attend, named.append), unfused_recurrence(forward, named.append)
    away, here = torch.ones(1, 1, 2, 2, device="meta"), torch.ones(1, 1, 2, 2)
    attention(away, away, away, dropout_p=0.5)
    attention(away, away, away)
    attention(here, here, here, None, 0.5)
    assert used == [False, True, True]
    assert len(named) == 1
    used.clear()
    for device, dropout in (("meta", 0.5), ("meta", 0.0), ("cpu", 0.5)):
        recurrence(nn.LSTM(2, 2, 2, dropout=dropout, device=device))
    assert used == [False, True, True]
    assert len(named) == 2
