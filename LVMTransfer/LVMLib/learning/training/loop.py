"""The training loop: epochs, validation, checkpoints, events."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch
from torch import nn

from ...errors import LVMCancelled, TrainingError
from ...progress import Progress, part
from ..config import FinetuneConfig
from ..device import choose_device, slow_convolutions
from ..models.segment import Model
from ..samples.cache import CachedPair
from ..samples.crops import Sampler
from ..samples.normalise import Normalisation
from ..workers import Workers
from .checkpoint import load_checkpoint, save_checkpoint
from .ranks import Ranks, own_device
from .runfolder import RunFolder
from .step import Place, StepTaker
from .validate import Validation, validate

_SMALLEST_SHRINK = 0.45
_SECONDS_BETWEEN_EVENTS = 5.0


@dataclass
class RunProgress:
    """Where a run stands; part of every checkpoint."""

    epoch: int = 0
    step: int = 0
    best_dice: float = -1.0
    best_epoch: int = 0
    without_gain: int = 0
    shrink: float = 1.0
    recompute: bool = False
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
    ranks : Ranks
        The processes that train together.
    """

    def __init__(
        self, network: nn.Module, cases: list[CachedPair], normalisation: Normalisation, config: FinetuneConfig,
        run: RunFolder, *, context: int, from_source: bool, ranks: Ranks,
    ) -> None:  # fmt: skip
        self.config, self.run_folder, self.context, self.ranks = config, run, context, ranks
        self.device = choose_device(own_device(config), precision=config.precision)
        self.workers = Workers(None if self.device.is_gpu else config.threads)
        self.network = network.to(self.device.name)
        batch = config.batch * ranks.count
        self.sampler = Sampler(cases, config, normalisation, batch=batch, device=self.device.name)
        self.progress = RunProgress()
        self.steps = StepTaker(
            self.network, self.sampler, config, device=self.device, workers=self.workers, ranks=ranks,
            from_source=from_source,
        )  # fmt: skip
        if config.recompute:
            self.progress.recompute = self.steps.save_memory()

    def model(self) -> Model:
        """Return the averaged weights as a predictor."""
        network = self.steps.averaged.eval()
        return Model(network, self.sampler.normalisation, self.config.crop, self.context, self.device)

    def restore(self) -> None:
        """Go back to the last checkpoint."""
        state = load_checkpoint(self.run_folder.checkpoint)
        self.steps.restore(state)
        self.progress = RunProgress(**state["progress"])
        if self.progress.recompute:
            self.steps.save_memory()
        torch.set_rng_state(state["random"])
        self._event("resumed", epoch=self.progress.epoch)

    def save(self) -> None:
        """Write a checkpoint."""
        if self.ranks.is_first:
            state = {**self.steps.state(), "progress": asdict(self.progress), "random": torch.get_rng_state()}
            save_checkpoint(self.run_folder.checkpoint, state)

    def run(self, validation: list[CachedPair], keep: Callable[[Validation], None], progress: Progress) -> str:
        """Train to the end; returns why it ended: ``epochs``, ``patience`` or ``time``."""
        state, config = self.progress, self.config
        stopped = self._stop_reason()
        if warning := slow_convolutions(self.device.name):
            self._event("warning", message=warning)
        while stopped is None:
            begin = time.monotonic()
            losses, dice = self._epoch(progress)
            state.epoch += 1
            self._add_seconds(begin)
            stopped = self._stop_reason()
            if stopped or state.epoch % config.validate_every == 0:
                begin = time.monotonic()
                self._validate(validation, keep, progress)
                self._add_seconds(begin)
                stopped = stopped or self._stop_reason()
            self.save()
            self._event(
                "epoch", epoch=state.epoch, epochs=config.epochs, step=state.step, loss=losses, dice=dice,
                learning_rate=self._rate(0.0), best=state.best_dice, seconds=round(state.seconds, 2),
                remaining_seconds=self._remaining(), device=self.device.name, memory_bytes=self.device.memory_bytes(),
            )  # fmt: skip
        return stopped

    def _event(self, kind: str, **facts: object) -> None:
        if self.ranks.is_first:
            self.run_folder.event(kind, **facts)

    def _add_seconds(self, begin: float) -> None:
        self.progress.seconds = self.ranks.agree([self.progress.seconds + time.monotonic() - begin])[0]

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
        begin = told = time.monotonic()
        self.network.train()
        losses, scores = [], []
        for number in range(config.steps):
            elapsed = time.monotonic() - begin
            loss, dice = self._step(elapsed)
            state.step += 1
            losses.append(loss)
            scores.append(dice)
            if self._out_of_time(elapsed):
                break
            if time.monotonic() - told > _SECONDS_BETWEEN_EVENTS:
                told = time.monotonic()
                self._tell_step(number + 1, loss, told - begin)
            best = f", best validation Dice {state.best_dice:.3f}" if state.best_dice >= 0 else ""
            progress(
                self._fraction(elapsed),
                f"epoch {state.epoch + 1}/{config.epochs}, step {number + 1}, loss {loss:.3f}{best}",
            )
        blood, wall = torch.tensor(scores).mean(0).tolist()
        return sum(losses) / len(losses), {"blood_pool": blood, "lvm": wall}

    def _tell_step(self, number: int, loss: float, elapsed: float) -> None:
        """Tell where a long epoch stands."""
        state, config = self.progress, self.config
        self._event(
            "step", epoch=state.epoch + 1, epochs=config.epochs, step=number, steps=config.steps, loss=loss,
            seconds=round(state.seconds + elapsed, 2), device=self.device.name,
        )  # fmt: skip

    def _out_of_time(self, elapsed: float) -> bool:
        """Whether the epoch ends here; raises `LVMCancelled` when somebody asked the run to stop."""
        late = bool(self.config.max_seconds and self.progress.seconds + elapsed > self.config.max_seconds)
        stop = self.ranks.is_first and self.run_folder.stop_requested()
        late, stop = self.ranks.agree([late, stop])
        if stop:
            raise LVMCancelled(f"{self.run_folder.path}: asked to stop")
        return bool(late)

    def _step(self, elapsed: float) -> tuple[float, list[float]]:
        """Take one optimiser step; on lack of memory keep less for the gradient, then make the crops smaller."""
        state = self.progress
        fraction, rate = self.ranks.agree([self._fraction(elapsed), self._rate(elapsed)])
        while True:
            try:
                return self.steps.take(Place(state.step, fraction, rate, state.shrink))
            except TrainingError as error:
                raise error.at(f"{self.run_folder.path}, step {state.step}") from error
            except (RuntimeError, MemoryError) as error:
                if not isinstance(error, MemoryError) and "memory" not in str(error).lower():
                    raise
                self._save_memory(error)

    def _save_memory(self, error: Exception) -> None:
        state = self.progress
        self.device.free()
        if self.steps.save_memory():
            state.recompute = True
            self._event("out_of_memory", action="gradient checkpointing")
            return
        state.shrink *= 0.8
        self._event("out_of_memory", action="smaller crops", crop_factor=round(state.shrink, 3))
        if state.shrink < _SMALLEST_SHRINK:
            raise TrainingError(
                self.device.name, expected="memory for a crop of half the size", found="not enough",
                remedy="Close other programs, or choose a smaller crop.",
            ) from error  # fmt: skip

    def _validate(self, cases: list[CachedPair], keep: Callable[[Validation], None], progress: Progress) -> None:
        """Validate in the first process, which alone keeps the best model; all know how it went."""
        state = self.progress
        begin = time.monotonic()
        told = part(progress, self._fraction(0.0), self._fraction(0.0))
        found = validate(self.model(), cases, workers=self.workers, progress=told) if self.ranks.is_first else None
        self.network.train()
        dice = self.ranks.agree([found.dice if found else 0.0])[0]
        if found:
            self._event("validation", epoch=state.epoch, **found.as_dict(), seconds=round(time.monotonic() - begin, 2))
        if dice > state.best_dice:
            state.best_dice, state.best_epoch, state.without_gain = dice, state.epoch, 0
            if found:
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
