"""Digests by kernels are those of the host, bit for bit."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from detaudit.digest.algorithm import LEAF_BYTES, header_seed
from detaudit.digest.device import DeviceDigester
from detaudit.digest.tensor import tensor_digest
from tests.digest.on_device import DEVICE, content, digested, truth

SEEDS = (0, 1, 1 << 63, (1 << 64) - 1, 0x9E3779B97F4A7C15)

EDGES = (
    0, 1, 3, 4, 8, 9, 16, 17, 128, 129, 239, 240, 241, 255, 256, 257, 319, 320, 321, 1023, 1024, 1025,
    1087, 1088, 1089, 2047, 2048, 2049, 2111, 2112, 2113, 3072, 16384, 16385,
)  # fmt: skip
"""Bytes: XXH3's formulas, its stripes of 64 and blocks of 1024; tiles of 16 blocks."""

LEAF_EDGES = (*(LEAF_BYTES + more for more in (-1, 0, 1, 240, 241)), 2 * LEAF_BYTES + 1025)


@pytest.mark.parametrize("sizes", [EDGES, LEAF_EDGES], ids=["blocks", "leaves"])
def test_every_edge_of_the_algorithm_agrees_with_the_host(digester, sizes):
    values = [(content(size), SEEDS[index % len(SEEDS)]) for index, size in enumerate(sizes)]

    assert digested(digester, values) == [truth(*value) for value in values]


sizes = st.one_of(st.sampled_from(EDGES), st.integers(0, 240), st.integers(241, 5000))


@given(st.lists(st.tuples(sizes, st.integers(0, (1 << 64) - 1)), max_size=4), st.integers(0, 15))
@settings(max_examples=20, deadline=None)
def test_any_values_in_one_submission_agree_with_the_host(digester, described, offset):
    """Whatever their sizes, seeds and addresses."""
    values = [(content(size + offset)[offset:], seed) for size, seed in described]

    assert digested(digester, values) == [truth(*value) for value in values]


@given(st.sampled_from((1, 240, 241, 1024, 1025, 1100, 2048)), st.integers(0, 1 << 20))
@settings(max_examples=12, deadline=None)
def test_one_flipped_bit_changes_the_digest(digester, size, position):
    values = content(size)
    changed = values.clone()
    changed[position % size] ^= 1 << (position % 8)

    before, again, after = digested(digester, [(values, 7), (values, 7), (changed, 7)])

    assert before == again != after


def test_each_leaf_counts(digester):
    """A change in any leaf of a long value is seen, and so is the order of leaves."""
    values = content(2 * LEAF_BYTES + 100)
    variants = [values, values.roll(LEAF_BYTES)]
    for position in (LEAF_BYTES - 1, 2 * LEAF_BYTES - 1, 2 * LEAF_BYTES + 99):
        variants.append(values.clone())
        variants[-1][position] ^= 128

    assert len(set(digested(digester, [(variant, 0) for variant in variants]))) == len(variants)


@pytest.mark.parametrize(
    "dtype",
    [
        torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.complex64,
        torch.complex128, torch.int8, torch.uint8, torch.int16, torch.int32, torch.int64, torch.bool,
        torch.uint16,
    ],
    ids=str,
)  # fmt: skip
def test_a_tensor_has_the_digest_that_the_host_gives_it(digester, dtype):
    """Any dtype, and however it lies in memory."""
    bits = content(16 * 96 * dtype.itemsize)
    whole = (bits & 1 if dtype is torch.bool else bits).view(dtype).reshape(16, 96)
    tensors = [whole, whole.t(), whole[:, ::3], whole[1:2].expand(9, 96), whole.reshape(-1)[1:], whole[0, 0]]
    if dtype.is_complex:
        tensors += [whole.conj(), whole.conj().imag]

    made = digested(digester, [(one, header_seed(str(one.dtype), one.shape)) for one in tensors])

    assert made == [tensor_digest(one) for one in tensors]


@pytest.mark.usefixtures("kernels")
def test_programs_of_any_size_give_the_same_sums():
    """Sixteen blocks each, as on a GPU, or all blocks of a leaf in one."""
    values = [(content(40_000), 5), (content(300), 6), (content(16_500), 0)]

    for blocks in (4, 16, 256):
        assert digested(DeviceDigester(DEVICE, blocks_per_program=blocks), values) == [
            truth(*value) for value in values
        ]
