"""Loss over labelled phases only."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from ..samples.carry import UNKNOWN

# One voxel: keeps an empty crop finite and its gradient small but not zero.
_SMOOTH = 1.0


def sparse_dice_loss(
    logits: Tensor, labels: Tensor, labelled_phases: Sequence[int], *, cross_entropy: float = 0.0
) -> Tensor:
    """Multi-class soft Dice loss, mean over the foreground classes, on the labelled phases.

    Parameters
    ----------
    logits : Tensor (B, C, T, Z, Y, X)
        Network output for every phase.
    labels : Tensor (B, T, Z, Y, X) or (B, L, Z, Y, X), integer
        Labels of all phases, or of the L labelled phases only, in the order of ``labelled_phases``; voxels that are
        `UNKNOWN` do not count.
    labelled_phases : sequence of int
        Phases that carry labels. The others are never looked at: their gradient is exactly zero.
    cross_entropy : float
        Weight of the voxel-wise cross-entropy that is added.

    Returns
    -------
    Tensor ()
        Single precision.
    """
    phases = torch.as_tensor(list(labelled_phases), device=logits.device)
    if labels.shape[1] == logits.shape[2]:
        labels = labels.index_select(1, phases.to(labels.device))
    if len(phases) != logits.shape[2]:
        logits = logits.index_select(2, phases)
    labels = labels.long()
    log_probability = F.log_softmax(logits.float(), dim=1)
    loss = 1 - soft_dice(log_probability.exp(), labels).mean()
    if cross_entropy:
        total = F.nll_loss(log_probability, labels, ignore_index=UNKNOWN, reduction="sum")
        loss = loss + cross_entropy * total / (labels != UNKNOWN).sum().clamp_min(1)
    return loss


def soft_dice(probability: Tensor, labels: Tensor) -> Tensor:
    """Soft Dice of each sample and foreground class, ``(B, C - 1)``; phases and voxels are summed first."""
    scores = []
    known = (labels != UNKNOWN).flatten(1)
    for label in range(1, probability.shape[1]):
        truth = (labels == label).flatten(1)
        p = probability[:, label].flatten(1) * known
        overlap = (p * truth).sum(1)
        scores.append((2 * overlap + _SMOOTH) / (p.sum(1) + truth.sum(1) + _SMOOTH))
    return torch.stack(scores, dim=1)
