"""What two tensors must have in common to have the same digest: every bit, the dtype and the shape."""

import ctypes
import os
import random
import struct
import threading

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from detaudit.digest import parallel
from detaudit.digest import tensor as tensor_module
from detaudit.digest.algorithm import LEAF_BYTES, digest_address, digest_bytes
from detaudit.digest.parallel import LEAST_BYTES, digest_in_threads
from detaudit.digest.tensor import MOST_COPIED_BYTES, UndigestableError, form_digest, tensor_digest

BASE = torch.arange(1.0, 17.0).reshape(4, 4)

DTYPES = (
    torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.complex64,
    torch.int8, torch.uint8, torch.int64, torch.bool, torch.uint16,
)  # fmt: skip


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(BASE.flip(0), id="permuted"),
        pytest.param(-BASE, id="negated"),
        pytest.param(BASE.reshape(2, 8), id="reshaped"),
        pytest.param(BASE.double(), id="upcast"),
        pytest.param(BASE.t(), id="transposed"),
        pytest.param(BASE.view(torch.int32), id="reinterpreted"),
    ],
)
def test_collisions_of_other_hashes_are_told_apart(other):
    """A permuted, negated, reshaped, upcast, transposed or reinterpreted tensor has another digest."""
    assert tensor_digest(BASE) != tensor_digest(other)


def test_constant_tensors_are_told_apart():
    """Constants, which cancel out under an XOR, have digests of their own, whatever their size."""
    constants = [torch.full((size,), value) for size in (2, 4, 20) for value in (0.0, 1.0, 2.0)]

    assert len({tensor_digest(constant) for constant in constants}) == len(constants)


def test_equal_nans_are_equal_and_payloads_count():
    """NaN equals itself bit for bit; another payload is another value, and so is -0.0."""
    nan, payload = (
        torch.frombuffer(bytearray(struct.pack("=I", bits)), dtype=torch.float32)
        for bits in (0x7FC00000, 0x7FC00001)
    )

    assert tensor_digest(nan) == tensor_digest(nan.clone())
    assert tensor_digest(nan) != tensor_digest(payload)
    assert tensor_digest(torch.tensor(0.0)) != tensor_digest(torch.tensor(-0.0))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_one_flipped_bit_changes_the_digest(dtype):
    """In every dtype, a single changed bit anywhere is seen; a copy is equal."""
    values = torch.zeros(33, dtype=dtype)
    changed = values.clone()
    changed.view(torch.uint8)[-1] ^= 1

    assert tensor_digest(values) == tensor_digest(values.clone())
    assert tensor_digest(values) != tensor_digest(changed)


@given(st.integers(0, 4 * LEAF_BYTES), st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_every_byte_of_large_tensors_counts(size, position):
    """A change in any leaf of a value of any length is seen."""
    values = torch.zeros(size, dtype=torch.uint8)
    changed = values.clone()
    if size:
        changed[position % size] = 1

    assert (tensor_digest(values) == tensor_digest(changed)) == (size == 0)


@given(st.permutations(range(4)), st.integers(1, 3), st.booleans())
@settings(max_examples=40, deadline=None)
def test_strides_do_not_enter(order, step, expanded):
    """However a tensor lies in memory, its digest is that of the row-major copy."""
    tensor = torch.arange(3 * 4 * 5 * 6.0).reshape(3, 4, 5, 6).permute(*order)[:, ::step]
    tensor = tensor[:1].expand(7, -1, -1, -1) if expanded else tensor

    assert tensor_digest(tensor) == tensor_digest(tensor.contiguous().clone())


@pytest.mark.parametrize("channels", [False, True])
@pytest.mark.filterwarnings("ignore")
def test_scales_of_quantized_tensors_count(channels):
    """The same integers with another scale are other values."""

    def quantized(scale):
        integers = torch.ones(2, 3)
        if channels:
            scales, zeros = torch.tensor([0.5, scale]), torch.zeros(2)
            return torch.quantize_per_channel(integers * scales[:, None], scales, zeros, 0, torch.qint8)
        return torch.quantize_per_tensor(integers * scale, scale, 0, torch.qint8)

    assert tensor_digest(quantized(0.5)) == tensor_digest(quantized(0.5))
    assert tensor_digest(quantized(0.5)) != tensor_digest(quantized(0.25))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.complex64], ids=str)
@pytest.mark.parametrize("order", [(1, 0, 2), (0, 2, 1), (2, 1, 0)], ids=str)
@pytest.mark.parametrize("most_copied", [0, MOST_COPIED_BYTES], ids=["in pieces", "as a whole"])
def test_strides_of_large_tensors_do_not_enter(dtype, order, most_copied, monkeypatch):
    """A tensor of several leaves has the digest of its row-major copy, however it lies in memory."""
    monkeypatch.setattr(tensor_module, "MOST_COPIED_BYTES", most_copied)
    tensor = torch.randint(255, (3, 301, 1003)).to(dtype).permute(order)
    stepped = tensor[:, ::2]

    assert tensor_digest(tensor) == tensor_digest(tensor.contiguous())
    assert tensor_digest(stepped) == tensor_digest(stepped.contiguous())
    assert tensor_digest(tensor) != tensor_digest(tensor.flip(0))


@pytest.mark.parametrize("threads", [2, 3, 7])
@pytest.mark.parametrize("leaves", [1.5, 2, 7, 20.25])
def test_the_number_of_threads_does_not_enter(threads, leaves):
    """Shared among any number of threads, a value has the digest that one thread gives."""
    data = bytes(random.Random(0).randbytes(int(leaves * LEAF_BYTES)))
    memory = (ctypes.c_char * len(data)).from_buffer_copy(data)
    place = ctypes.addressof(memory), len(data), 7

    assert digest_in_threads(*place, threads) == digest_address(*place) == digest_bytes(data, 7)


def test_the_faster_way_is_settled_on(monkeypatch):
    """Alone and in threads take turns at first; then the faster is taken, and the digest stays the same."""
    clock, ways = [0.0], []
    monkeypatch.setattr(parallel, "_paces", {})
    monkeypatch.setattr(parallel.time, "perf_counter", lambda: clock[0])
    for name, seconds in (("digest_address", 2.0), ("digest_in_threads", 1.0)):

        def way(*_, name=name, seconds=seconds):
            ways.append(name)
            clock[0] += seconds
            return name

        monkeypatch.setattr(parallel, name, way)

    for _ in range(2 * parallel.TRIALS + 5):
        parallel.digest_large(0, 1 << 22, 0, 2)

    assert ways[:4] == 2 * ["digest_address", "digest_in_threads"]
    assert set(ways[2 * parallel.TRIALS :]) == {"digest_in_threads"}


@pytest.fixture
def two_threads():
    """Torch on two threads for one test."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
def test_threads_for_digests_stay_unseen():
    """A program sees no thread of ours, and a forked child can digest large values as its parent does."""
    values = torch.ones(LEAST_BYTES, dtype=torch.uint8)
    before = threading.active_count()
    digest = tensor_digest(values)
    assert threading.active_count() == before

    child = os.fork()
    if not child:
        os._exit(0 if digest_in_threads(values.data_ptr(), values.nbytes, 7, 2) else 1)
    _, status = os.waitpid(child, 0)

    assert status == 0
    torch.set_num_threads(1)
    assert tensor_digest(values) == digest


def test_lazy_conjugate_and_negative_are_their_values():
    """A lazily conjugated or negated tensor equals its resolved copy and not its base."""
    base = torch.randn(5, dtype=torch.complex64)

    assert tensor_digest(base.conj()) == tensor_digest(base.conj().resolve_conj().clone())
    assert tensor_digest(base.conj()) != tensor_digest(base)
    assert tensor_digest(base.conj().imag) == tensor_digest(base.conj().imag.resolve_neg().clone())


@pytest.mark.parametrize("layout", [torch.sparse_coo, torch.sparse_csr, torch.sparse_csc], ids=str)
@pytest.mark.filterwarnings("ignore:Sparse .* tensor support is in beta")
def test_sparse_tensors_are_digested_by_their_parts(layout):
    """A sparse tensor equals its copy and differs from one with a value or an index changed."""
    dense, moved = torch.eye(4), torch.eye(4).roll(1, 0)

    def digest(values):
        return tensor_digest(values.to_sparse(layout=layout))

    assert digest(dense) == digest(dense.clone())
    assert len({digest(dense), digest(moved), digest(2 * dense), tensor_digest(dense)}) == 4


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: torch.empty(0, 3), id="empty"),
        pytest.param(lambda: torch.tensor(1.5), id="scalar"),
        pytest.param(lambda: torch.empty(3, device="meta"), id="meta"),
        pytest.param(
            lambda: torch.nested.nested_tensor([torch.ones(2), torch.ones(3)], layout=torch.jagged),
            id="jagged",
        ),
        pytest.param(lambda: torch.ones(3, 3).to_mkldnn(), id="mkldnn"),
        pytest.param(lambda: torch.nn.Parameter(torch.ones(3)), id="parameter"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_unusual_tensors_have_a_digest(make):
    """Empty, scalar, meta, nested and opaque tensors are all covered, in the same way each time."""
    assert tensor_digest(make()) == tensor_digest(make())
    assert len(tensor_digest(make())) == 16


def test_empty_tensors_of_other_shapes_differ():
    """Without a single byte, dtype and shape still count."""
    assert (
        len(
            {
                tensor_digest(torch.empty(0)),
                tensor_digest(torch.empty(0, 1)),
                tensor_digest(torch.empty(0).int()),
            }
        )
        == 3
    )


def test_inside_function_transforms_the_values_are_seen():
    """In vmap and func.grad, a wrapped tensor is digested as the values below."""
    values, seen = torch.randn(4, 3), []

    torch.vmap(lambda row: (seen.append(tensor_digest(row)), row)[1])(values)
    torch.func.grad(lambda x: (seen.append(tensor_digest(x)), x.sum())[1])(values)

    assert seen == [tensor_digest(values)] * 2


def test_digesting_leaves_no_mark():
    """Digesting draws no random number, builds no graph and does not touch the tensor's version."""
    tensor = torch.randn(4, 4, requires_grad=True).t()
    state, number, version = torch.get_rng_state(), torch.autograd._get_sequence_nr(), tensor._version
    tensor_digest(tensor)

    assert torch.equal(state, torch.get_rng_state())
    assert torch.autograd._get_sequence_nr() == number
    assert tensor._version == version


def test_a_tensor_without_reachable_values_is_refused():
    """Where the values cannot be reached there is an error, never a digest of nothing."""

    class Opaque(torch.Tensor):
        @staticmethod
        def __new__(cls):
            return torch.Tensor._make_wrapper_subclass(cls, (3,))

        @classmethod
        def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
            raise AssertionError("nothing may be computed with it")

    with pytest.raises(UndigestableError, match="Opaque"):
        tensor_digest(Opaque())


def test_changes_behind_the_version_counter_are_seen():
    """Writes through `.data`, numpy or the storage count as no version: the digest sees them."""
    tensor, seen = torch.zeros(8), set()
    for write in (
        lambda: tensor.data.add_(1),
        lambda: tensor.numpy().__setitem__(0, 5),
        lambda: tensor.untyped_storage().__setitem__(4, 7),
    ):
        seen.add(tensor_digest(tensor))
        write()

    assert len(seen | {tensor_digest(tensor)}) == 4


def test_zeros_that_take_no_memory_are_zeros():
    """The zero tensors that autograd makes without memory have the digest of written-out zeros."""
    zeros = torch._efficientzerotensor(3, 4)

    assert tensor_digest(zeros) == tensor_digest(torch.zeros(3, 4))
    assert tensor_digest(zeros.t()) == tensor_digest(torch.zeros(4, 3))


@pytest.mark.parametrize("transposed", [False, True])
def test_a_tensor_whose_storage_was_freed_is_digested_by_its_form(transposed):
    """A freed weight, as sharded training leaves it between uses, is neither read nor refused."""
    weight = torch.randn(4, 5)
    freed = weight.t() if transposed else weight
    weight.untyped_storage().resize_(0)

    assert tensor_digest(freed) == form_digest(freed) == tensor_digest(torch.empty_like(freed, device="meta"))
    assert tensor_digest(freed) != form_digest(torch.empty(2, 10))
