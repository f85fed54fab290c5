"""RegMean: the linear layer whose outputs lie nearest to those of all models, each on its own inputs.

Jin et al. 2023, "Dataless Knowledge Fusion by Merging Weights of Language Models", arXiv:2212.09849.
How the inner products of a layer's inputs are measured is in `vlm/measure.py`.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from vlm.methods.arrays import Array, doubled
from vlm.methods.given import Settings, Shared, weight_sum, weights_of
from vlm.methods.masks import Draw
from vlm.methods.pieces import Pieces, Read, add_up, piecewise

if TYPE_CHECKING:
    from torch import Tensor

ROWS = 256  # that are multiplied together: a matrix product of few rows waits for memory


@piecewise
def regmean(
    pieces: Pieces, settings: Settings, shared: Shared, draw: Draw | None
) -> Iterator[Array]:
    """The closed form of a regression; reads `weight`, and `alpha`, `floor` of the blend.

        G̃_i = α G_i + (1 − α) diag(G_i) + ε ḡ I,      G_i = mean of x xᵀ over the inputs x of i
        θ = (Σ_i w_i W_i G̃_i) (Σ_i w_i G̃_i)⁻¹

    W_i is outputs by inputs, as torch has it; ḡ is the mean of all diagonals, ε the floor: along what
    no input has, this is the mean by weights. It is computed in double precision, as
    W_1 + Σ (W_i − W_1) w_i G̃_i (Σ_j w_j G̃_j)⁻¹, so that a lone ingredient comes out untouched. What is
    no matrix of a linear layer is Σ w_i x_i / Σ w_i, as in the paper. `draw` and a base are not read.
    Raises MergeError where Σ w_i = 0. The last bits depend on the linear algebra library.
    """
    weights = weights_of(settings)
    over = weight_sum(weights, "`regmean`")
    reads = [read for read in pieces.measured if read is not None]
    if len(reads) < len(weights) or len(pieces.shape) != 2 or len(reads) == 1:
        for piece in pieces.walk():
            yield add_up(piece.tensors, weights, over)
        return
    import torch

    from vlm.methods.sums import one_thread

    width = pieces.width
    with one_thread():
        shares = _shares(reads, weights, width, shared)
    step = max(ROWS, pieces.size // width) * width
    for start in range(0, pieces.count, step):
        first, *others = pieces.at(slice(start, min(start + step, pieces.count))).tensors
        moved = torch.as_tensor(doubled(first))
        with one_thread():
            for other, share in zip(others, shares, strict=True):
                other -= first
                moved += (torch.as_tensor(doubled(other)).view(-1, width) @ share).view(-1)
        first[:] = moved
        yield first


def _shares(
    reads: Sequence[Read], weights: Sequence[float], width: int, shared: Shared
) -> "list[Tensor]":
    """w_i G̃_i (Σ_j w_j G̃_j)⁻¹ of every ingredient but the first; inputs by inputs, float64."""
    import torch

    whole = slice(0, width * width)
    grams = [torch.as_tensor(doubled(read(whole))).view(width, width) for read in reads]
    diagonals = [gram.reshape(-1)[:: width + 1] for gram in grams]  # views
    middle = sum(float(diagonal.sum()) for diagonal in diagonals) / (width * len(grams))
    for gram, diagonal, weight in zip(grams, diagonals, weights, strict=True):
        own = diagonal + shared["floor"] * (middle or 1.0)
        gram *= shared["alpha"]
        diagonal[:] = own
        gram *= weight
    total = sum(grams[1:], start=grams[0])
    return [torch.linalg.solve(total, gram).T for gram in grams[1:]]
