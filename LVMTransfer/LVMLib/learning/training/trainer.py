"""Fine-tuning as a job: from pairs and a source bundle to a run folder with the best model."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import nn

from ... import __version__
from ...cohort import Pair
from ...errors import LVMCancelled, TrainingError
from ...grid import LABEL_NAMES
from ...network import build_network, initialise_paper
from ...origin import command_line, commit, now
from ...progress import Progress, part, silent
from ..config import DEFAULT_CROP, FinetuneConfig
from ..models.bundle import Bundle
from ..models.manifest import Architecture, BundleManifest, HUWindow, Origin
from ..models.segment import Model
from ..samples.cache import CachedPair, cache_pairs, require_labelled
from ..samples.carry import carry_all
from ..samples.normalise import Normalisation, measured_normalisation
from .loop import TrainingLoop
from .ranks import Ranks, training_together
from .runfolder import RunFolder
from .states import CANCELLED, DONE, FAILED
from .validate import Validation, validate


@dataclass(frozen=True)
class RunResult:
    """What a training run achieved.

    Attributes
    ----------
    bundle : Path
        The best model.
    dice, source_dice : float
        Mean validation Dice of the best model and of its source (None: random weights).
    better : bool or None
        Whether the model beats its source on the validation cases.
    epochs : int
        Epochs trained.
    seconds : float
        Duration, all parts of a resumed run together.
    stopped : str
        ``epochs``, ``patience`` or ``time``.
    phantom : bool
        Whether any of the data are synthetic.
    """

    bundle: Path
    dice: float
    source_dice: float | None
    better: bool | None
    epochs: int
    seconds: float
    stopped: str
    phantom: bool

    def as_dict(self) -> dict:
        """Return the result, ready for JSON."""
        return {**asdict(self), "bundle": str(self.bundle)}

    def describe(self) -> str:
        """Say the result in one line."""
        data = "phantom validation" if self.phantom else "validation"
        text = f"{self.bundle}: mean {data} Dice {self.dice:.4f} after {self.epochs} epochs ({self.seconds:.0f} s)"
        if self.source_dice is None:
            return text
        verdict = "better than" if self.better else "NOT better than (use the source)"
        return f"{text}; {verdict} its source, {self.source_dice:.4f}"


def finetune(
    train: list[Pair],
    validation: list[Pair],
    *,
    source: Bundle | None,
    config: FinetuneConfig,
    run_dir: str | Path,
    progress: Progress = silent,
    resume: bool = False,
) -> RunResult:
    """Train on pairs, starting from a bundle or from random weights.

    Parameters
    ----------
    train, validation : list of Pair
        Cases to learn from, and cases that choose the best epoch; no case may be in both.
    source : Bundle or None
        Whose weights, architecture, spacing and normalisation to start from.
    config : FinetuneConfig
        The recipe.
    run_dir : path
        Run folder: ``run.json``, ``events.jsonl``, ``checkpoints/``, ``best/``.
    resume : bool
        Go on from the last checkpoint; on a CPU the weights end bitwise as those of a run that was never stopped.

    Raises
    ------
    TrainingError
        Overlapping or empty sets, a folder in use, NaN loss, no memory even for small crops.
    PairError
        A pair without labelled phase.
    LVMCancelled
        Stopped by the person; can be resumed.
    """
    _require_disjoint(train, validation)
    manifest = source.manifest if source else None
    config = config.resolved(
        crop=manifest.crop if manifest else DEFAULT_CROP, context=manifest.context if manifest else config.context
    )
    with training_together(config) as ranks:
        job = _Job(train, validation, source, config, RunFolder(run_dir), ranks, resume)
        if not ranks.is_first:
            return job.run(silent)
        with job.folder.working(_facts(train, validation, source, config), resume=resume):
            return _run_and_tell(job, progress)


@dataclass(frozen=True)
class _Job:
    """One call of `finetune`."""

    train: list[Pair]
    validation: list[Pair]
    source: Bundle | None
    config: FinetuneConfig
    folder: RunFolder
    ranks: Ranks
    resume: bool

    def run(self, progress: Progress) -> RunResult:
        """Prepare the cases, train, and return what was achieved."""
        cached = self._prepared(progress)
        training, checking = cached[: len(self.train)], cached[len(self.train) :]
        checking = checking[: self.config.validation_cases or None]
        network, normalisation = _start(self.source, self.config, training)
        loop = TrainingLoop(
            network, training, normalisation, self.config, self.folder, context=_context(self.source, self.config),
            from_source=self.source is not None, ranks=self.ranks,
        )  # fmt: skip
        if self.resume and self.folder.checkpoint.is_file():
            loop.restore()
        elif self.source:
            self._measure_source(loop, checking, progress)

        def keep(found: Validation) -> None:
            manifest = _manifest(
                self.train, self.validation, self.source, self.config, loop=loop, found=found,
                normalisation=normalisation,
            )  # fmt: skip
            Bundle.save(self.folder.best, loop.steps.averaged, manifest)

        stopped = loop.run(checking, keep, part(progress, 0.1, 1.0))
        state = loop.progress
        better = None if state.source_dice is None else state.best_dice > state.source_dice
        return RunResult(
            self.folder.best, state.best_dice, state.source_dice, better, state.epoch, round(state.seconds, 1),
            stopped, any(case.phantom for case in cached),
        )  # fmt: skip

    def _prepared(self, progress: Progress) -> list[CachedPair]:
        """Return training and validation cases on the working grid; the first process makes them."""
        if not self.ranks.is_first:
            self.ranks.wait()
        spacing = self.source.spacing_mm if self.source else self.config.spacing_mm
        folder = Path(self.config.cache_dir) if self.config.cache_dir else self.folder.cache
        cached = cache_pairs([*self.train, *self.validation], spacing, folder, progress=part(progress, 0.0, 0.05))
        if self.config.unlabelled in ("carried", "both"):
            carry_all(cached[: len(self.train)], progress=part(progress, 0.05, 0.1))
        if self.ranks.is_first:
            self.ranks.wait()
        return cached

    def _measure_source(self, loop: TrainingLoop, cases: list[CachedPair], progress: Progress) -> None:
        if not self.ranks.is_first:
            loop.progress.source_dice = self.ranks.agree([0.0])[0]
            return
        network = self.source.network().to(loop.device.name)
        manifest = self.source.manifest
        own = Model(network, self.source.normalisation, manifest.crop, manifest.context, loop.device)
        told = part(progress, 0.1, 0.1)
        found = validate(own, cases, workers=loop.workers, progress=told)
        loop.progress.source_dice = self.ranks.agree([found.dice])[0]
        self.folder.event("source", **found.as_dict())


def _run_and_tell(job: _Job, progress: Progress) -> RunResult:
    """Run, and leave in the run folder how it ended."""
    run = job.folder
    threads = torch.get_num_threads()
    # The workers compute; torch's threads would only spin between them.
    torch.set_num_threads(1)
    try:
        result = job.run(run.heeding(progress))
    except (LVMCancelled, KeyboardInterrupt) as stop:
        run.end(CANCELLED, {})
        raise LVMCancelled(f"{run.path}: stopped; continue with --resume") from stop
    except Exception as error:
        run.end(FAILED, {"message": str(error)}, error=str(error))
        raise
    finally:
        torch.set_num_threads(threads)
    run.event(DONE, **result.as_dict())
    run.update(status=DONE, result=result.as_dict())
    return result


def _require_disjoint(train: list[Pair], validation: list[Pair]) -> None:
    for name, pairs in (("training set", train), ("validation set", validation)):
        if not pairs:
            raise TrainingError(name, expected="at least one pair", found="none", remedy="Choose cases for it.")
        for pair in pairs:
            require_labelled(pair)
    both = sorted({pair.id for pair in train} & {pair.id for pair in validation})
    # The same file under two names is the same patient, too.
    hashes = {pair.manifest.sha256.get("image.nii.gz"): pair.id for pair in train}
    both += [
        pair.id for pair in validation if pair.id not in both and hashes.get(pair.manifest.sha256.get("image.nii.gz"))
    ]
    if both:
        raise TrainingError(
            "validation set",
            expected="cases that are not trained on",
            found=f"{len(both)} in both: {', '.join(both[:5])}",
            remedy="Take them out of one of the sets.",
        )


def _facts(train: list[Pair], validation: list[Pair], source: Bundle | None, config: FinetuneConfig) -> dict:
    return {
        "format": 1,
        "command": command_line(),
        "commit": commit(),
        "version": __version__,
        "pairs": str(train[0].folder.parent.absolute()),
        "training": [pair.id for pair in train],
        "validation": [pair.id for pair in validation],
        "source": str(Path(source.path).absolute()) if source else None,
        "source_sha256": source.manifest.sha256.get("model.safetensors") if source else None,
        "config": config.as_dict(),
    }


def _context(source: Bundle | None, config: FinetuneConfig) -> int:
    return source.manifest.context if source else config.context


def _start(
    source: Bundle | None, config: FinetuneConfig, training: list[CachedPair]
) -> tuple[nn.Module, Normalisation]:
    normalisation = source.normalisation if source else Normalisation()
    if config.normalisation == "target":
        normalisation = measured_normalisation([c.blood_hu for c in training], [c.wall_hu for c in training])
    if source:
        return source.network(), normalisation
    torch.manual_seed(config.seed)
    network = build_network(config.network, classes=len(LABEL_NAMES), **config.network_options)
    if config.init == "paper":
        initialise_paper(network)
    return network, normalisation


def _manifest(
    train: list[Pair], validation: list[Pair], source: Bundle | None, config: FinetuneConfig, *, loop: TrainingLoop,
    found: Validation, normalisation: Normalisation,
) -> BundleManifest:  # fmt: skip
    state = loop.progress
    sites = sorted({pair.manifest.site for pair in train})
    origin = Origin(
        site=", ".join(sites), training_cases=len(train), validation_cases=len(validation),
        phantom=any(pair.is_phantom for pair in train), init="source bundle" if source else f"random ({config.init})",
        command=command_line(), commit=commit(), version=__version__, seed=config.seed, epochs=state.epoch,
        finished=now(), validation_dice=found.dice, source_validation_dice=state.source_dice, config=config.as_dict(),
    )  # fmt: skip
    return BundleManifest(
        name=f"LVM segmentation, site {origin.site}",
        architecture=source.manifest.architecture if source else Architecture(
            name=config.network, options=config.network_options,
            parameters=sum(p.numel() for p in loop.network.parameters()),
        ),
        spacing_mm=source.spacing_mm if source else config.spacing_mm,
        normalisation=HUWindow(**normalisation.as_dict()),
        labels=LABEL_NAMES,
        crop=config.crop,
        context=_context(source, config),
        variants=config.variants,
        provenance=(*(source.manifest.provenance if source else ()), origin),
        better_than_source=None if state.source_dice is None else found.dice > state.source_dice,
    )  # fmt: skip
