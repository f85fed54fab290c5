"""Merging in the space of singular vectors: TSV-M and Iso-C.

Both are of matrices; tensors of any other rank (norms, biases, convolutions) get the mean of the
weighted differences, as in the authors' experiments. A decomposition takes the better part of a minute
for the largest matrices of a 7B model: it is left to one thread, for its last bits would depend on how
many there are. They still depend on the linear algebra library.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from vlm.methods.kernel import Settings, Shared, add_up, differences, needed, weights_of
from vlm.methods.masks import Draw
from vlm.methods.sums import one_thread


def tsv(
    base: Tensor | None,
    tensors: Sequence[Tensor],
    settings: Settings,
    shared: Shared,
    draw: Draw | None,
) -> Tensor:
    """Singular vectors of all ingredients, made orthogonal; reads `weight`, and `scale` of the blend.

        w_i δ_i ≈ U_i S_i V_iᵀ   of rank max(1, ⌊min(rows, columns) / n⌋)
        U = [U_1 … U_n] = P D Qᵀ,   U⊥ = P Qᵀ,   V⊥ likewise,   S = diag(S_1, …, S_n)
        θ = b + λ U⊥ S V⊥ᵀ

    Gargiulo et al. 2025, "Task Singular Vectors: Reducing Task Interference in Model Merging",
    arXiv:2412.00081. `draw` is not read. Raises MergeError without a base.
    """
    base = needed(base, tensors)
    deltas = differences(base, tensors)
    weights = weights_of(settings)
    if base.dim() != 2 or base.numel() == 0:
        return _mean(base, deltas, weights, shared["scale"])
    rank = max(1, min(base.shape) // len(deltas))
    lefts, values, rights = [], [], []
    with one_thread():
        for delta, weight in zip(deltas, weights, strict=True):
            u, s, vt = torch.linalg.svd(delta.mul_(weight), full_matrices=False)
            lefts.append(u[:, :rank])
            values.append(s[:rank])
            rights.append(vt[:rank].T)
        left, right = (_orthogonal(torch.cat(vectors, dim=1)) for vectors in (lefts, rights))
        return torch.add(base, (left * torch.cat(values)) @ right.T, alpha=shared["scale"])


def iso_c(
    base: Tensor | None,
    tensors: Sequence[Tensor],
    settings: Settings,
    shared: Shared,
    draw: Draw | None,
) -> Tensor:
    """Task arithmetic with all directions equally strong; reads `weight`, and `scale` of the blend.

        Σ_i w_i δ_i = U diag(σ) Vᵀ
        θ = b + λ mean(σ) U Vᵀ

    Marczak et al. 2025, "No Task Left Behind: Isotropic Model Merging with Common and Task-Specific
    Subspaces", arXiv:2502.04959. `draw` is not read. Raises MergeError without a base.
    """
    base = needed(base, tensors)
    deltas = differences(base, tensors)
    weights = weights_of(settings)
    if base.dim() != 2 or base.numel() == 0:
        return _mean(base, deltas, weights, shared["scale"])
    with one_thread():
        u, s, vt = torch.linalg.svd(add_up(deltas, weights), full_matrices=False)
        return torch.add(base, (u * s.mean()) @ vt, alpha=shared["scale"])


def _mean(base: Tensor, deltas: Sequence[Tensor], weights: Sequence[float], scale: float) -> Tensor:
    return torch.add(base, add_up(deltas, weights, len(deltas)), alpha=scale)


def _orthogonal(vectors: Tensor) -> Tensor:
    """The matrix with orthonormal columns that lies nearest: P Qᵀ of P D Qᵀ."""
    u, _, vt = torch.linalg.svd(vectors, full_matrices=False)
    found: Tensor = u @ vt
    return found
