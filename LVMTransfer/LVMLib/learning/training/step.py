"""One optimiser step: crops, loss, gradients, weights, running mean."""

from __future__ import annotations

import copy
import math
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ...errors import TrainingError
from ..config import FinetuneConfig
from ..device import Device
from ..samples.carry import UNKNOWN
from ..samples.crops import Sample, Sampler
from ..workers import Workers
from .loss import soft_dice, sparse_dice_loss
from .ranks import Ranks
from .transfer import Trainable

# The teacher is asked after this part of the run, where it is as sure as this.
_TEACHER_WARMUP, _SURE = 0.2, 0.9
# Steps whose crops are made while a GPU computes, and the threads that make them.
_AHEAD, _FEEDERS = 2, 4
# Loss scale in half precision: doubled after so many good steps, halved when a gradient overflows.
_FIRST_SCALE, _GROWTH_STEPS = 2.0**14, 500


@dataclass
class Place:
    """Which step is taken, and how.

    Attributes
    ----------
    step : int
        Number of the step.
    fraction : float
        Part of the run that is done.
    rate : float
        Learning rate.
    shrink : float
        Factor on the sides of the crops.
    """

    step: int
    fraction: float
    rate: float
    shrink: float


class StepTaker:
    """Network, optimiser and running mean of the weights.

    Parameters
    ----------
    network : nn.Module
        Start weights, on the device.
    sampler : Sampler
        Draws the crops.
    config : FinetuneConfig
        The recipe.
    device : Device
        Where to compute.
    workers : Workers
        One crop each on a CPU.
    ranks : Ranks
        The processes that train together.
    from_source : bool
        The start weights are a source's, not random ones.
    """

    def __init__(
        self, network: nn.Module, sampler: Sampler, config: FinetuneConfig, *, device: Device, workers: Workers,
        ranks: Ranks, from_source: bool,
    ) -> None:  # fmt: skip
        self.network, self.sampler, self.config = network.train(), sampler, config
        self.device, self.workers, self.ranks = device, workers, ranks
        self.averaged = copy.deepcopy(network).eval() if config.ema else network
        self.trainable = Trainable(network, config, from_source=from_source)
        kind = torch.optim.AdamW if config.optimiser == "adamw" else torch.optim.Adam
        self.optimiser = kind(self.trainable.groups, lr=1e-4, weight_decay=config.weight_decay)
        self._scale, self._good_steps = (_FIRST_SCALE if device.needs_scaling else 1.0), 0
        self._feed = _Feed(sampler, config.batch, ranks) if device.is_gpu else None

    def state(self) -> dict:
        """Return everything that a checkpoint needs."""
        return {
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "averaged": self.averaged.state_dict() if self.config.ema else None,
            "scale": [self._scale, float(self._good_steps)],
        }

    def restore(self, state: dict) -> None:
        """Go back to what `state` returned."""
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        if self.config.ema:
            self.averaged.load_state_dict(state["averaged"])
        self._scale, self._good_steps = state["scale"][0], int(state["scale"][1])

    def save_memory(self) -> bool:
        """Keep less for the gradient from now on; False if that is done already or the network cannot."""
        if getattr(self.network, "recompute", None) is not False:
            return False
        self.network.recompute = True
        return True

    def take(self, place: Place) -> tuple[float, list[float]]:
        """Take a step; returns its loss and the mean soft Dice per class.

        Raises
        ------
        TrainingError
            The loss is no finite number.
        """
        for group in self.optimiser.param_groups:
            group["lr"] = place.rate * group["factor"]
        # The crops' gradients are added in their order, whoever is ready first: a resumed run adds them alike.
        items = list(self.workers.map(lambda item: self._item(item, place), range(self.config.batch)))
        total = sum(loss for loss, _, _ in items) / self.config.batch
        if not math.isfinite(total):
            raise TrainingError(
                f"step {place.step}", expected="a finite loss", found=str(total),
                remedy="Lower the learning rate, or look for damaged images in the training set.",
            )  # fmt: skip
        gradients = [sum(parts[1:], parts[0]) / self.config.batch for parts in zip(*(item[2] for item in items))]
        self.ranks.average(gradients)
        if self._unscaled(gradients):
            for parameter, gradient in zip(self.trainable.parameters, gradients):
                parameter.grad = gradient
            if self.config.clip_norm:
                nn.utils.clip_grad_norm_(self.trainable.parameters, self.config.clip_norm)
            self.optimiser.step()
            self.trainable.hold(place.rate)
        self._average(place.step)
        return total, torch.tensor([dice for _, dice, _ in items]).mean(0).tolist()

    def _item(self, item: int, place: Place) -> tuple[float, list[float], tuple[Tensor, ...]]:
        """Return loss, soft Dice per class and gradients of one crop of the step."""
        if self._feed:
            sample = self._feed.draw(place, item)
        else:
            sample = self.sampler.draw(
                place.step, item=_item_of_all(item, self.config, self.ranks), shrink=place.shrink
            )
        targets = [(sample.labels.to(self.device.name), sample.labelled_phases, 1.0)]
        if sample.guessed_phases:
            targets.append((self._guess(sample, place), sample.guessed_phases, self.config.unlabelled_weight))
        # Phases that teach nothing are not computed to the end.
        taught = sorted({phase for _, phases, _ in targets for phase in phases})
        targets = [(labels, [taught.index(n) for n in phases], share) for labels, phases, share in targets if phases]
        with torch.enable_grad(), self.device.autocast():
            logits = self.network(sample.image.to(self.device.name), taught)
        weight = 1.0 if self.config.loss == "dice_ce" else 0.0
        loss = sum(
            share * sparse_dice_loss(logits, labels, phases, cross_entropy=weight) for labels, phases, share in targets
        )
        gradients = torch.autograd.grad(loss * self._scale, self.trainable.parameters)
        labels, phases, _ = targets[0]
        with torch.no_grad():
            dice = soft_dice(logits[:, :, phases].float().softmax(1), labels)[0].tolist()
        return loss.item(), dice, gradients

    @torch.no_grad()
    def _guess(self, sample: Sample, place: Place) -> Tensor:
        """Return labels of the unlabelled phases: carried ones, and the teacher's where these are unknown."""
        guessed = sample.guessed.to(self.device.name)
        if self.config.unlabelled == "carried" or place.fraction < _TEACHER_WARMUP:
            return guessed
        with self.device.autocast():
            logits = self.averaged(sample.plain.to(self.device.name), sample.guessed_phases)
        sure, label = logits.float().softmax(1).max(1)
        told = torch.where(sure > _SURE, label.to(guessed.dtype), torch.full_like(guessed, UNKNOWN))
        return torch.where(guessed == UNKNOWN, told, guessed)

    def _unscaled(self, gradients: list[Tensor]) -> bool:
        """Divide by the loss scale; False if half precision overflowed and the step is to be left out."""
        if not self.device.needs_scaling:
            return True
        for gradient in gradients:
            gradient.div_(self._scale)
        fine = all(bool(gradient.isfinite().all()) for gradient in gradients)
        self._good_steps = self._good_steps + 1 if fine else 0
        if not fine:
            self._scale = max(1.0, self._scale / 2)
        elif self._good_steps % _GROWTH_STEPS == 0:
            self._scale *= 2
        return fine

    @torch.no_grad()
    def _average(self, step: int) -> None:
        if not self.config.ema:
            return
        # The mean follows quickly at first, so that it does not remember the random start.
        decay = min(self.config.ema, (1 + step) / (10 + step))
        for mean, value in zip(self.averaged.parameters(), self.network.parameters()):
            mean.lerp_(value, 1 - decay)


class _Feed:
    """Crops of the next steps, made by threads while the GPU computes."""

    def __init__(self, sampler: Sampler, batch: int, ranks: Ranks) -> None:
        self._sampler, self._batch, self._ranks = sampler, batch, ranks
        self._pool = ThreadPoolExecutor(_FEEDERS, "lvm-crops", initializer=torch.set_num_threads, initargs=(1,))
        self._coming: deque[tuple[tuple, Future]] = deque()

    def draw(self, place: Place, item: int) -> Sample:
        """Return the crop ``item`` of a step, and have the following ones made."""
        wanted = (place.step, item, place.shrink)
        while self._coming and self._coming[0][0] != wanted:
            self._coming.popleft()[1].cancel()
        first = place.step * self._batch + item + len(self._coming)
        for number in range(first, place.step * self._batch + item + 1 + _AHEAD * self._batch):
            step, n = divmod(number, self._batch)
            drawn = self._pool.submit(
                self._sampler.draw, step, item=_item_of_all(n, self._sampler.config, self._ranks), shrink=place.shrink
            )
            self._coming.append(((step, n, place.shrink), drawn))
        return self._coming.popleft()[1].result()


def _item_of_all(item: int, config: FinetuneConfig, ranks: Ranks) -> int:
    """Number a crop among those of all processes."""
    return ranks.rank * config.batch + item
