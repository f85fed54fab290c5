"""Equations that are computed piece by piece: one tensor never lies in memory as a whole.

Such an equation is a generator. It is given `Pieces`, walks them as often as it must (to find a
threshold, to sum), and yields the blended numbers in order. A piece stays in a CPU's cache, so that
passes are cheap, and what it is made of may be a file, a tensor in memory or one on a device.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import wraps
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from vlm.methods.arrays import Array
from vlm.methods.given import Settings, Shared, no_base
from vlm.methods.masks import Draw, block_size

if TYPE_CHECKING:
    from torch import Tensor

    from vlm.methods.kernel import Kernel

Read = Callable[
    [slice], Array
]  # the numbers of one slice of a flat tensor: fp32, the caller's to change


class Piece(NamedTuple):
    """The same numbers of the base and of each ingredient; fp32, flat, the equation's to change."""

    part: slice
    base: Array
    tensors: list[Array]


@dataclass(frozen=True)
class Pieces:
    """One tensor of the base and of each ingredient. `memo` keeps what an equation has found out about
    them and may want again when only settings have changed."""

    shape: tuple[int, ...]
    base: Read | None
    tensors: Sequence[Read]
    size: int = block_size("cpu")
    memo: dict[Any, Any] = field(default_factory=dict)
    measured: Sequence[
        Read | None
    ] = ()  # what data say of each ingredient's, as the equation wants it

    @property
    def count(self) -> int:
        """How many numbers the tensor has."""
        return prod(self.shape)

    @property
    def width(self) -> int:
        """The length of a row: what flows into one output; a vector is one row."""
        return prod(self.shape[1:]) if len(self.shape) > 1 else self.count

    def at(self, part: slice) -> Piece:
        """The numbers of one slice."""
        base = self.base(part) if self.base is not None else None
        return Piece(part, base, [read(part) for read in self.tensors])

    def walk(self, rows: bool = False) -> Iterator[Piece]:
        """All numbers in order. `rows`: no row is cut."""
        return map(self.at, self.parts(rows))

    def parts(self, rows: bool = False) -> Iterator[slice]:
        """The slices of such a walk."""
        width = max(1, self.width) if rows else 1
        step = max(1, self.size // width) * width
        for start in range(0, self.count, step):
            yield slice(start, min(start + step, self.count))

    def differences(self, rows: bool = False) -> Iterator[Piece]:
        """The same, of what each ingredient has more than the base: δ_i = x_i − b.

        Raises MergeError without a base.
        """
        return map(_taken_from, self.walk(rows))

    def sample(self, stride: int) -> Piece:
        """Every `stride`-th difference. Raises MergeError without a base."""
        return _taken_from(self.at(slice(0, self.count, stride)))


def _taken_from(piece: Piece) -> Piece:
    if piece.base is None:
        raise no_base()
    for tensor in piece.tensors:
        tensor -= piece.base
    return piece


def add_up(tensors: Sequence[Array], weights: Sequence[float], over: float = 1.0) -> Array:
    """Σ_i w_i x_i / `over`, in the place of the first.

    Divided in Python's double precision, so that a lone ingredient comes out untouched. Every product is a
    pass over the numbers: there is none by one, and one for all where weights are equal.
    """
    first, *others = tensors
    equal = all(weight == weights[0] for weight in weights)
    if not equal:
        for tensor, weight in zip(tensors, weights, strict=True):
            _times(tensor, weight / over)
    for tensor in others:
        first += tensor
    if equal:
        _times(first, weights[0] / over)
    return first


def onto(base: Array, mixed: Array, scale: float) -> Array:
    """b + λ v, in the place of v."""
    _times(mixed, scale)
    mixed += base
    return mixed


def _times(x: Array, factor: float) -> None:
    if factor != 1.0:
        x *= factor


class Walk(Protocol):
    """`equation(pieces, settings, shared, draw)` yields the blended numbers in order, fp32.

    settings: one mapping an ingredient (weight, density). shared: settings of the whole blend (scale,
    normalize, compat). draw: names the random masks; None where the method draws none. Raises
    MergeError where the equation has no answer.
    """

    def __call__(
        self, pieces: Pieces, settings: Settings, shared: Shared, draw: Draw | None
    ) -> Iterator[Array]: ...


def piecewise(walk: Walk) -> "Kernel":
    """The equation as a kernel over whole tensors (see `Kernel`); `walk` of it is the equation."""

    @wraps(walk)
    def kernel(
        base: "Tensor | None",
        tensors: "Sequence[Tensor]",
        settings: Settings,
        shared: Shared,
        draw: Draw | None,
        measured: "Sequence[Tensor | None]" = (),
    ) -> "Tensor":
        from vlm.methods.kernel import check_shapes

        check_shapes(tensors if base is None else [base, *tensors])
        first = tensors[0]
        device = first.device.type
        pieces = Pieces(
            tuple(first.shape),
            None if base is None else _reader(base),
            [_reader(tensor) for tensor in tensors],
            block_size(device),
            measured=[None if one is None else _reader(one) for one in measured]
            or [None] * len(tensors),
        )
        blended = first.new_empty(first.shape)
        flat = blended.view(-1)
        fill(flat.numpy() if device == "cpu" else flat, walk(pieces, settings, shared, draw))
        return blended

    kernel.walk = walk  # type: ignore[attr-defined]
    return kernel


def fill(target: Array, pieces: Iterable[Array]) -> None:
    """Write pieces behind one another into a flat array."""
    start = 0
    for piece in pieces:
        target[start : start + len(piece)] = piece
        start += len(piece)


def _reader(tensor: "Tensor") -> Read:
    flat = tensor.reshape(-1)
    numbers = flat.numpy() if flat.device.type == "cpu" else None

    def read(part: slice) -> Array:
        return flat[part].clone() if numbers is None else numbers[part].copy()

    return read
