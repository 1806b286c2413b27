"""XXH3-128 on a device, as Triton kernels: each block's sums in parallel, then each leaf's short chain.

What a block of 1024 bytes adds to the eight accumulators does not depend on their state, so all blocks of
all leaves are summed up at once (`accumulate`, bound by how fast memory is read), into a row of eight sums
each. Only the rows, a sixteenth of the data, are then walked through in order (`finish`). Inputs of up to
SHORT_BYTES have other formulas: they are gathered (`gather`) and left to the host.

A table tells the kernels about the leaves, FIELDS numbers each: the address (a multiple of ALIGNMENT), the
length in bytes, the seed, and the first of the leaf's rows (in `gather`: its slot).

Triton has to be installed: import this module late.
XXH3: https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md
"""

from __future__ import annotations

import struct

import triton
import triton.language as tl

FIELDS = 4
ALIGNMENT = 16
SHORT_BYTES = 240
BLOCK_BYTES = 1024

SLOT_BYTES = 256
"""Room for one short input."""

ROWS_BESIDES_BLOCKS = 2
"""Rows of a leaf after those of its full blocks: the stripes that are left, and the last 64 bytes."""

BLOCKS_PER_PROGRAM = 16
"""Blocks for each program of `accumulate`: 16 KiB, eight loads of 16 bytes for each of 128 threads."""

LEAVES_PER_PROGRAM = 4
"""Leaves for each program of `finish`: with eight accumulators each, they fill one warp."""

_SECRET = bytes.fromhex(
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671f"
    "cb79e64eccc0e578825ad07dccff7221b8084674f743248ee03590e6813a264c"
    "3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8"
    "a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364"
    "eac5ac8334d3ebc3c581a0fffa1363eb170ddd51b7f0da49d316552629d4689e"
    "2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e"
)
_PRIME32 = (0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D)
_PRIME64 = (
    0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5,
)  # fmt: skip
_INITIAL = (_PRIME32[2], *_PRIME64[:4], _PRIME32[1], _PRIME64[4], _PRIME32[0])
_AVALANCHE = 0x165667919E3779F9

# In memory rather than as literals: which type a 64-bit literal has differs between versions of Triton.
CONSTANTS: list[int] = [
    *struct.unpack("<24q", _SECRET),
    *struct.unpack("<11q", struct.pack("<11Q", *_INITIAL, _PRIME64[0], _PRIME64[1], _AVALANCHE)),
]
"""The default secret, the accumulators' first values and what `_merged` multiplies by, as signed numbers."""

_INITIAL_AT = tl.constexpr(24)
_LENGTH_PRIMES_AT = tl.constexpr(32)
_AVALANCHE_AT = tl.constexpr(34)
_SCRAMBLE_PRIME = tl.constexpr(_PRIME32[0])


@triton.jit
def _secret(constants: tl.tensor, index: tl.tensor, seed: tl.tensor) -> tl.tensor:
    """Load the secret's 64-bit words at `index`, as the seed changes them."""
    word = tl.load(constants + index).to(tl.uint64)
    return tl.where(index % 2 == 0, word + seed, word - seed)


@triton.jit
def _secret_between(
    constants: tl.tensor, index: tl.tensor, shift: tl.constexpr, seed: tl.tensor
) -> tl.tensor:
    """Load the secret's 64 bits from `shift` bits after the start of the words at `index`."""
    low = _secret(constants, index, seed) >> shift
    return low | (_secret(constants, index + 1, seed) << (64 - shift))


@triton.jit
def _product(mixed: tl.tensor) -> tl.tensor:
    """Multiply the lower half of each 64-bit word by its upper half."""
    return mixed.to(tl.uint32).to(tl.uint64) * (mixed >> 32)


@triton.jit
def _store_sums(row: tl.tensor, pair: tl.tensor, even: tl.tensor, odd: tl.tensor, known: tl.tensor) -> None:
    """Store what the even and the odd accumulators get."""
    tl.store(row + 2 * pair, even.to(tl.int64), mask=known)
    tl.store(row + 2 * pair + 1, odd.to(tl.int64), mask=known)


@triton.jit(do_not_specialize=["tiles"])
def accumulate(
    leaves: tl.tensor, constants: tl.tensor, rows: tl.tensor, tiles: tl.tensor, blocks: tl.constexpr
) -> None:
    """Sum up so many blocks of one leaf; `tiles` programs take care of each leaf."""
    program = tl.program_id(0)
    leaf = leaves + (program // tiles).to(tl.int64) * 4
    first = (program % tiles) * blocks
    length = tl.load(leaf + 1).to(tl.int32)
    if first * 1024 < length:
        address = tl.load(leaf)
        seed = tl.load(leaf + 2).to(tl.uint64)
        row = rows + tl.load(leaf + 3) * 8
        _add_blocks(address, length, seed, constants, row, first, blocks)
        if first == 0:
            _add_last_stripe(address, length, seed, constants, row)


@triton.jit
def _add_blocks(  # noqa: PLR0917 - kernels have no objects to hand over
    address: tl.tensor,
    length: tl.tensor,
    seed: tl.tensor,
    constants: tl.tensor,
    row: tl.tensor,
    first: tl.tensor,
    blocks: tl.constexpr,
) -> None:
    """Store the sums of the blocks from the first on; the stripes that are left count as one more block."""
    # One dimension, until all is loaded: only so does every version of Triton load 16 bytes at a time.
    data = tl.multiple_of(address.to(tl.pointer_type(tl.int64)), 16) + first.to(tl.int64) * 128
    word = tl.arange(0, blocks * 128)
    known = first * 16 + word // 8 < (length - 1) // 64
    words = tl.load(data + word, mask=known, other=0).to(tl.uint64)
    index = (word // 8) % 16 + word % 8
    products = tl.where(known, _product(words ^ _secret(constants, index, seed)), 0)
    even, odd = tl.split(tl.reshape(words, (blocks, 16, 4, 2)))
    even_product, odd_product = tl.split(tl.reshape(products, (blocks, 16, 4, 2)))
    # Each accumulator gets its own product and its neighbour's word.
    # Not `tl.sum`, which the interpreter lacks where Triton was first imported for compiling.
    to_even = tl.reduce(odd + even_product, 1, tl.standard._sum_combine)
    to_odd = tl.reduce(even + odd_product, 1, tl.standard._sum_combine)
    block = first + tl.arange(0, blocks)[:, None]
    _store_sums(row + block * 8, tl.arange(0, 4)[None, :], to_even, to_odd, block * 1024 < length)


@triton.jit
def _add_last_stripe(
    address: tl.tensor, length: tl.tensor, seed: tl.tensor, constants: tl.tensor, row: tl.tensor
) -> None:
    """Store the sums of the last 64 bytes, which start at any byte, after the other rows."""
    pair = tl.arange(0, 4)[:, None, None]
    half = tl.arange(0, 2)[None, :, None]
    byte = tl.arange(0, 8)[None, None, :]
    data = address.to(tl.pointer_type(tl.uint8)) + (length - 64)
    loaded = tl.load(data + (pair * 16 + half * 8 + byte)).to(tl.uint64)
    words = tl.reduce(loaded << (byte * 8).to(tl.uint64), 2, tl.standard._sum_combine)
    index = 15 + 2 * tl.arange(0, 4)[:, None] + tl.arange(0, 2)[None, :]
    even, odd = tl.split(words)
    even_product, odd_product = tl.split(_product(words ^ _secret_between(constants, index, 8, seed)))
    last = row + ((length - 1) // 1024 + 1) * 8
    _store_sums(last, tl.arange(0, 4), odd + even_product, even + odd_product, None)


@triton.jit(do_not_specialize=["count", "most_blocks"])
def finish(  # noqa: PLR0917 - kernels have no objects to hand over
    leaves: tl.tensor,
    constants: tl.tensor,
    rows: tl.tensor,
    digests: tl.tensor,
    count: tl.tensor,
    most_blocks: tl.tensor,
    at_once: tl.constexpr,
) -> None:
    """Walk through the rows of so many leaves of at most so many blocks; store each digest's two halves."""
    leaf = tl.program_id(0) * at_once + tl.arange(0, at_once)
    known = leaf < count
    line = leaves + leaf * 4
    length = tl.load(line + 1, mask=known, other=1024).to(tl.uint64)
    seed = tl.load(line + 2, mask=known, other=0).to(tl.uint64)[:, None]
    first = tl.load(line + 3, mask=known, other=0)[:, None]
    blocks = ((length - 1) // 1024).to(tl.int32)[:, None]
    lane = tl.arange(0, 8)[None, :]
    row = rows + first * 8 + lane
    state = _chain(row, blocks, most_blocks, constants, seed, lane, at_once)
    state += tl.load(row + blocks * 8, mask=known[:, None], other=0).to(tl.uint64)
    state += tl.load(row + blocks * 8 + 8, mask=known[:, None], other=0).to(tl.uint64)
    low = length * tl.load(constants + _LENGTH_PRIMES_AT).to(tl.uint64)
    # The complement as 0 - x - 1: some versions of the interpreter have no ~ for unsigned numbers.
    high = 0 - length * tl.load(constants + _LENGTH_PRIMES_AT + 1).to(tl.uint64) - 1
    low = _merged(state ^ _secret_between(constants, 1 + lane, 24, seed), low, constants, at_once)
    high = _merged(state ^ _secret_between(constants, 14 + lane, 40, seed), high, constants, at_once)
    tl.store(digests + leaf * 2, high.to(tl.int64), mask=known)
    tl.store(digests + leaf * 2 + 1, low.to(tl.int64), mask=known)


@triton.jit
def _chain(  # noqa: PLR0917 - kernels have no objects to hand over
    row: tl.tensor,
    blocks: tl.tensor,
    most_blocks: tl.tensor,
    constants: tl.tensor,
    seed: tl.tensor,
    lane: tl.tensor,
    at_once: tl.constexpr,
) -> tl.tensor:
    """Compute the accumulators after all full blocks."""
    state = tl.broadcast_to(tl.load(constants + _INITIAL_AT + lane).to(tl.uint64), (at_once, 8))
    secret = _secret(constants, 16 + lane, seed)
    start = 0
    while start < most_blocks:  # not `range`, which the interpreter cannot give a tensor since numpy 2.4
        # Unrolled, so that eight rows are on their way at a time.
        for step in tl.static_range(8):
            block = start + step
            known = block < blocks
            scrambled = state + tl.load(row + block * 8, mask=known, other=0).to(tl.uint64)
            scrambled = (scrambled ^ (scrambled >> 47) ^ secret) * _SCRAMBLE_PRIME
            state = tl.where(known, scrambled, state)
        start += 8
    return state


@triton.jit
def _merged(mixed: tl.tensor, start: tl.tensor, constants: tl.tensor, at_once: tl.constexpr) -> tl.tensor:
    """Fold the eight accumulators of each leaf, mixed with the secret, into one word."""
    left, right = tl.split(tl.reshape(mixed, (at_once, 4, 2)))
    merged = start + tl.reduce((left * right) ^ tl.umulhi(left, right), 1, tl.standard._sum_combine)
    merged = (merged ^ (merged >> 37)) * tl.load(constants + _AVALANCHE_AT).to(tl.uint64)
    return merged ^ (merged >> 32)


@triton.jit
def gather(leaves: tl.tensor, slots: tl.tensor, slot_bytes: tl.constexpr) -> None:
    """Copy one short input into its slot."""
    leaf = leaves + tl.program_id(0).to(tl.int64) * 4
    byte = tl.arange(0, slot_bytes)
    known = byte < tl.load(leaf + 1)
    data = tl.load(leaf).to(tl.pointer_type(tl.uint8))
    tl.store(slots + tl.load(leaf + 3) * slot_bytes + byte, tl.load(data + byte, mask=known), mask=known)


INTERPRETED = not isinstance(accumulate, triton.JITFunction)
"""Whether Triton's interpreter runs these kernels, on the host: TRITON_INTERPRET was set at import."""
