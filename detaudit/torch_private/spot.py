"""A function of torch's own in the place of which another one may be put."""

from __future__ import annotations

from typing import Any, NamedTuple


class Spot(NamedTuple):
    """Says where the function is: `scope.replace(*spot, other)` puts another one there."""

    owner: Any
    """A module or a class."""
    name: str

    @property
    def current(self) -> Any:
        """Give what is there now."""
        return getattr(self.owner, self.name)
