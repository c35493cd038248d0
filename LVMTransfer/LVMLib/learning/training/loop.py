"""The training loop: steps, epochs, validation, checkpoints, events."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

from ...errors import TrainingError
from ...progress import Progress
from ..config import FinetuneConfig
from ..device import choose_device
from ..models.segment import Model
from ..samples.cache import CachedPair
from ..samples.carry import UNKNOWN
from ..samples.crops import Sample, Sampler
from ..samples.normalise import Normalisation
from ..workers import Workers
from .checkpoint import load_checkpoint, save_checkpoint
from .loss import soft_dice, sparse_dice_loss
from .runfolder import RunFolder
from .transfer import Trainable
from .validate import Validation, validate

_SMALLEST_SHRINK = 0.45
# The teacher is asked where it is as sure as this, and with full weight after this part of the run.
_SURE, _TEACHER_WARMUP = 0.9, 0.2


@dataclass
class RunProgress:
    """Where a run stands; part of every checkpoint."""

    epoch: int = 0
    step: int = 0
    best_dice: float = -1.0
    best_epoch: int = 0
    without_gain: int = 0
    shrink: float = 1.0
    seconds: float = 0.0
    source_dice: float | None = None


class TrainingLoop:
    """Trains one network.

    Parameters
    ----------
    network : nn.Module
        Start weights.
    cases : list of CachedPair
        Training cases.
    normalisation : Normalisation
        From HU to input.
    config : FinetuneConfig
        The recipe.
    run : RunFolder
        Where events and checkpoints go.
    context : int
        Phases at once in validation; 0 = all.
    from_source : bool
        The start weights are a source's, not random ones.
    """

    def __init__(
        self, network: nn.Module, cases: list[CachedPair], normalisation: Normalisation, config: FinetuneConfig,
        run: RunFolder, *, context: int, from_source: bool,
    ) -> None:  # fmt: skip
        self.config, self.run_folder, self.context = config, run, context
        self.device = choose_device(config.device, precision=config.precision)
        self.workers = Workers(config.threads if self.device.name == "cpu" else None)
        self.network = network.to(self.device.name).train()
        self.averaged = copy.deepcopy(self.network).eval() if config.ema else self.network
        self.sampler = Sampler(cases, config, normalisation)
        self.progress = RunProgress()
        kind = torch.optim.AdamW if config.optimiser == "adamw" else torch.optim.Adam
        self.trainable = Trainable(self.network, config, from_source=from_source)
        self.optimiser = kind(self.trainable.groups, lr=1e-4, weight_decay=config.weight_decay)

    def model(self) -> Model:
        """Return the averaged weights as a predictor."""
        network = self.averaged.eval()
        return Model(network, self.sampler.normalisation, self.config.crop, self.context, self.device)

    def restore(self) -> None:
        """Go back to the last checkpoint."""
        state = load_checkpoint(self.run_folder.checkpoint)
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        if self.config.ema:
            self.averaged.load_state_dict(state["averaged"])
        self.progress = RunProgress(**state["progress"])
        torch.set_rng_state(state["random"])
        self.run_folder.event("resumed", epoch=self.progress.epoch)

    def save(self) -> None:
        """Write a checkpoint."""
        state = {
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "averaged": self.averaged.state_dict() if self.config.ema else None,
            "progress": asdict(self.progress),
            "random": torch.get_rng_state(),
        }
        save_checkpoint(self.run_folder.checkpoint, state)

    def run(self, validation: list[CachedPair], keep: Callable[[Validation], None], progress: Progress) -> str:
        """Train to the end; returns why it ended: ``epochs``, ``patience`` or ``time``."""
        state, config = self.progress, self.config
        stopped = self._stop_reason()
        while stopped is None:
            begin = time.monotonic()
            losses, dice = self._epoch(progress)
            state.epoch += 1
            state.seconds += time.monotonic() - begin
            stopped = self._stop_reason()
            if stopped or state.epoch % config.validate_every == 0:
                begin = time.monotonic()
                self._validate(validation, keep)
                state.seconds += time.monotonic() - begin
                stopped = stopped or self._stop_reason()
            self.save()
            self.run_folder.event(
                "epoch", epoch=state.epoch, epochs=config.epochs, step=state.step, loss=losses, dice=dice,
                learning_rate=self._rate(0.0), best=state.best_dice, seconds=round(state.seconds, 2),
                remaining_seconds=self._remaining(), device=self.device.name, memory_bytes=self.device.memory_bytes(),
            )  # fmt: skip
        return stopped

    def _stop_reason(self) -> str | None:
        state, config = self.progress, self.config
        if state.epoch >= config.epochs:
            return "epochs"
        if config.max_seconds and state.seconds >= config.max_seconds:
            return "time"
        if config.patience and state.without_gain >= config.patience:
            return "patience"
        return None

    def _epoch(self, progress: Progress) -> tuple[float, dict[str, float]]:
        """Take the steps of one epoch; returns mean loss and mean soft Dice per class."""
        state, config = self.progress, self.config
        begin = time.monotonic()
        self.network.train()
        losses, scores = [], []
        for number in range(config.steps):
            elapsed = time.monotonic() - begin
            loss, dice = self._step(elapsed)
            state.step += 1
            losses.append(loss)
            scores.append(dice)
            if config.max_seconds and state.seconds + elapsed > config.max_seconds:
                break
            best = f", best validation Dice {state.best_dice:.3f}" if state.best_dice >= 0 else ""
            progress(
                self._fraction(elapsed),
                f"epoch {state.epoch + 1}/{config.epochs}, step {number + 1}, loss {loss:.3f}{best}",
            )
        blood, wall = torch.tensor(scores).mean(0).tolist()
        return sum(losses) / len(losses), {"blood_pool": blood, "lvm": wall}

    def _step(self, elapsed: float) -> tuple[float, list[float]]:
        """Take one optimiser step; on lack of memory with smaller crops from here on."""
        while True:
            try:
                return self._take_step(elapsed)
            except (RuntimeError, MemoryError) as error:
                text = str(error).lower()
                if not isinstance(error, MemoryError) and "memory" not in text:
                    raise
                self.progress.shrink *= 0.8
                self.run_folder.event("out_of_memory", crop_factor=round(self.progress.shrink, 3))
                if self.progress.shrink < _SMALLEST_SHRINK:
                    raise TrainingError(
                        self.device.name, expected="memory for a crop of half the size", found="not enough",
                        remedy="Close other programs, or choose a smaller crop.",
                    ) from error  # fmt: skip

    def _take_step(self, elapsed: float) -> tuple[float, list[float]]:
        state, config = self.progress, self.config
        rate = self._rate(elapsed)
        for group in self.optimiser.param_groups:
            group["lr"] = rate * group["factor"]
        # The crops' gradients are added in their order, whoever is ready first: a resumed run adds them alike.
        items = list(self.workers.map(self._item, range(config.batch)))
        total = sum(loss for loss, _, _ in items) / config.batch
        if not math.isfinite(total):
            raise TrainingError(
                f"{self.run_folder.path}, step {state.step}", expected="a finite loss", found=str(total),
                remedy="Lower the learning rate, or look for damaged images in the training set.",
            )  # fmt: skip
        for parameter, *gradients in zip(self.trainable.parameters, *(gradients for _, _, gradients in items)):
            parameter.grad = sum(gradients[1:], gradients[0]) / config.batch
        if config.clip_norm:
            nn.utils.clip_grad_norm_(self.trainable.parameters, config.clip_norm)
        self.optimiser.step()
        self.trainable.hold(rate)
        self._average()
        return total, torch.tensor([dice for _, dice, _ in items]).mean(0).tolist()

    def _item(self, item: int) -> tuple[float, list[float], tuple[Tensor, ...]]:
        """Return loss, soft Dice per class and gradients of one crop of the step."""
        sample = self.sampler.draw(self.progress.step, item=item, shrink=self.progress.shrink)
        targets = [(sample.labels.to(self.device.name), sample.labelled_phases, 1.0)]
        if sample.guessed_phases:
            targets.append((self._guess(sample), sample.guessed_phases, self.config.unlabelled_weight))
        targets = [target for target in targets if target[1]]
        with torch.enable_grad(), self.device.autocast():
            logits = self.network(sample.image.to(self.device.name))
        weight = 1.0 if self.config.loss == "dice_ce" else 0.0
        loss = sum(
            share * sparse_dice_loss(logits, labels, phases, cross_entropy=weight) for labels, phases, share in targets
        )
        gradients = torch.autograd.grad(loss, self.trainable.parameters)
        labels, phases, _ = targets[0]
        with torch.no_grad():
            dice = soft_dice(logits[:, :, list(phases)].float().softmax(1), labels)[0].tolist()
        return loss.item(), dice, gradients

    @torch.no_grad()
    def _guess(self, sample: Sample) -> Tensor:
        """Return labels of the unlabelled phases: carried ones, and the teacher's where these are unknown."""
        guessed = sample.guessed.to(self.device.name)
        if self.config.unlabelled == "carried" or self._fraction(0.0) < _TEACHER_WARMUP:
            return guessed
        with self.device.autocast():
            logits = self.averaged(sample.plain.to(self.device.name))[:, :, list(sample.guessed_phases)]
        sure, label = logits.float().softmax(1).max(1)
        told = torch.where(sure > _SURE, label.to(guessed.dtype), torch.full_like(guessed, UNKNOWN))
        return torch.where(guessed == UNKNOWN, told, guessed)

    @torch.no_grad()
    def _average(self) -> None:
        if not self.config.ema:
            return
        # The mean follows quickly at first, so that it does not remember the random start.
        decay = min(self.config.ema, (1 + self.progress.step) / (10 + self.progress.step))
        torch._foreach_lerp_(list(self.averaged.parameters()), list(self.network.parameters()), 1 - decay)

    def _validate(self, cases: list[CachedPair], keep: Callable[[Validation], None]) -> None:
        state = self.progress
        begin = time.monotonic()
        found = validate(self.model(), cases, workers=self.workers)
        self.network.train()
        self.run_folder.event(
            "validation", epoch=state.epoch, dice=found.dice, blood_pool=found.blood_pool, lvm=found.lvm,
            cases=found.cases, seconds=round(time.monotonic() - begin, 2),
        )  # fmt: skip
        if found.dice > state.best_dice:
            state.best_dice, state.best_epoch, state.without_gain = found.dice, state.epoch, 0
            keep(found)
        else:
            state.without_gain += 1

    def _fraction(self, elapsed: float) -> float:
        state, config = self.progress, self.config
        done = state.step / (config.epochs * config.steps)
        if config.max_seconds:
            done = max(done, (state.seconds + elapsed) / config.max_seconds)
        return min(done, 1.0)

    def _rate(self, elapsed: float) -> float:
        state, config = self.progress, self.config
        base = config.learning_rate or (1e-3 if state.source_dice is None else 1e-4)
        if config.warmup_steps:
            base *= min(1.0, (state.step + 1) / config.warmup_steps)
        if config.schedule == "exponential":
            return base * config.decay ** (state.epoch // config.decay_epochs)
        if config.schedule == "cosine":
            return base * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * self._fraction(elapsed))))
        return base

    def _remaining(self) -> float:
        state, config = self.progress, self.config
        remaining = state.seconds / max(state.epoch, 1) * (config.epochs - state.epoch)
        if config.max_seconds:
            remaining = min(remaining, config.max_seconds - state.seconds)
        return round(max(remaining, 0.0), 1)
