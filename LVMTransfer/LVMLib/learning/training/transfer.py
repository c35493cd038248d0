"""What a fine-tuning run may change of its source, and how far."""

from __future__ import annotations

import torch
from torch import nn

from ...network.norm import GroupNormReLU
from ..config import FinetuneConfig

_NORMS = (GroupNormReLU, nn.GroupNorm, nn.BatchNorm3d, nn.InstanceNorm3d)


class Trainable:
    """The trained parameters of a network, each with its own learning rate, held near their source.

    Parameters
    ----------
    network : nn.Module
        Start weights. What is not trained gets ``requires_grad = False``.
    config : FinetuneConfig
        ``trainable``, ``rate_decay`` and ``anchor``.
    from_source : bool
        False: random weights, of which everything is trained at one rate and nothing is held.

    References
    ----------
    Discriminative rates: Howard and Ruder 2018, arXiv:1801.06146. L2-SP: Li et al. 2018, arXiv:1802.01483.
    """

    def __init__(self, network: nn.Module, config: FinetuneConfig, *, from_source: bool) -> None:
        self.anchor = config.anchor if from_source else 0.0
        stages = network.stages() if hasattr(network, "stages") else [network]
        chosen = _chosen(network, stages, config.trainable if from_source else "all")
        decay = config.rate_decay if from_source else 1.0
        self.groups, self.parameters = [], []
        for number, stage in enumerate(stages):
            own = [p for p in stage.parameters() if id(p) in chosen]
            if own:
                self.groups.append({"params": own, "factor": decay ** (len(stages) - 1 - number)})
                self.parameters += own
        for parameter in network.parameters():
            parameter.requires_grad_(id(parameter) in chosen)
        head = {id(p) for p in stages[-1].parameters()} if len(stages) > 1 else set()
        self._held = [(p, p.detach().clone()) for p in self.parameters if id(p) not in head] if self.anchor else []

    @torch.no_grad()
    def hold(self, rate: float) -> None:
        """Draw the weights toward the source's after a step of a learning rate (decoupled, as in AdamW)."""
        for parameter, source in self._held:
            parameter.lerp_(source, min(1.0, rate * self.anchor))


def _chosen(network: nn.Module, stages: list[nn.Module], which: str) -> set[int]:
    """Return the ids of the parameters that are trained."""
    if which == "all" or len(stages) == 1:
        return {id(p) for p in network.parameters()}
    if which == "decoder":
        # Encoder and decoder mirror each other; the head comes on top.
        return {id(p) for stage in stages[(len(stages) + 1) // 2 :] for p in stage.parameters()}
    norms = {id(p) for module in network.modules() if isinstance(module, _NORMS) for p in module.parameters()}
    return norms | {id(p) for p in stages[-1].parameters()}
