"""One tensor under a name that its file does not have: which others it is made of, and how."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Made:
    """One tensor out of tensors of the other spelling: `by` takes them in the order of `sources`."""

    sources: tuple[str, ...]
    by: "Callable[..., Tensor]"

    def out_of(self, get: "Callable[[str], Tensor]") -> "Tensor":
        """The tensor, from a way to get the others."""
        made: Tensor = self.by(*map(get, self.sources))
        return made


def itself(tensor: "Tensor") -> "Tensor":
    """The only tensor it is made of."""
    return tensor
