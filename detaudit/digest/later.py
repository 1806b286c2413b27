"""Digests that are still on a device, and digests that are made of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias


class Later(Protocol):
    """A digest that will be on the host when it is asked for."""

    def resolve(self) -> bytes:
        """Return the 16 bytes; waits for the device if it must."""


Digest: TypeAlias = bytes | Later


def now(digest: Digest) -> bytes:
    """Return the 16 bytes of a digest, waiting for the device if it is still there."""
    return digest if isinstance(digest, bytes) else digest.resolve()


def joined(parts: Sequence[Digest], finish: Callable[[bytes], bytes]) -> Digest:
    """Give `finish` all parts as one: now if they are on the host, else when the result is asked for."""
    try:
        return finish(b"".join(parts))  # type: ignore[arg-type]  # the error is what tells
    except TypeError:
        return _Joined(parts, finish)


class _Joined:
    __slots__ = ("_finish", "_parts")

    def __init__(self, parts: Sequence[Digest], finish: Callable[[bytes], bytes]) -> None:
        self._parts = parts
        self._finish = finish

    def resolve(self) -> bytes:
        return self._finish(b"".join(map(now, self._parts)))
