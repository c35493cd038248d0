"""The recipe of a training run."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields, replace

from ..errors import TrainingError

DEFAULT_CROP = (80, 80, 80)
_WINDOW = 4


@dataclass(frozen=True)
class Augmentation:
    """Strength of the augmentation; the probability of each part, and its range.

    Parameters
    ----------
    pose_probability, scanner_probability : float
        How often pose and shape, and how often contrast and scanner are changed; each part of them has its own share of
        this. 0 switches it off.
    rotation_deg, scale, elastic_mm : float
        Rotation about each axis, relative size, displacement; uniform within ± the value.
    contrast : float
        Range of the factor on everything brighter than muscle (contrast timing), in log units.
    offset_hu, gain : float
        Standard deviation of the HU offset, range of the relative HU gain.
    noise_hu : float
        Largest standard deviation of the added noise, HU.
    """

    pose_probability: float = 0.5
    scanner_probability: float = 0.5
    rotation_deg: float = 20.0
    scale: float = 0.2
    elastic_mm: float = 6.0
    contrast: float = 0.5
    offset_hu: float = 20.0
    gain: float = 0.12
    noise_hu: float = 45.0


AUGMENTATIONS = {
    # Any scanner and injection, for a model that will see other hospitals.
    "any_scanner": Augmentation(),
    # What one scanner varies by itself: the images to learn from are those of the hospital that the model is for.
    "own_scanner": Augmentation(scanner_probability=0.25, contrast=0.25, offset_hu=8.0, gain=0.05, noise_hu=15.0),
}


@dataclass(frozen=True)
class FinetuneConfig:
    """All parameters of a training run; `preset` gives named recipes.

    Parameters
    ----------
    epochs, steps : int
        Epochs, and optimiser steps an epoch.
    batch : int
        Crops a step.
    crop : tuple of int or None
        Crop ``(Z, Y, X)``, voxels at the model's spacing, never larger than the image; None = as the source was
        trained, 80³ without one.
    crop_jitter : int
        Each side varies by up to this many voxels, so that statistics over the field of view do not become a cue.
    windows : dict of int to float, or None
        Phases of a crop, and how often that number is drawn; None = as many as the model is given when it predicts,
        4 where that is the whole cycle.
    trainable : str
        Of a source's weights: ``all``, ``decoder`` (the encoder stays), ``norm_head`` (scale and shift of the
        normalisations, and the last layer).
    rate_decay : float
        Discriminative rates: factor on the learning rate from each stage of a source's network to the one before.
    anchor : float
        L2-SP: how strongly a source's weights are drawn back to what they were, relative to the learning rate.
    unlabelled : str
        What the phases without labels teach: ``off`` nothing; ``carried`` the labels of ED and ES carried along the
        cycle by registration; ``teacher`` what the running mean of the weights is sure of (needs ``ema``); ``both``
        the teacher where the carried labels are unknown.
    unlabelled_weight, unlabelled_share : float
        Weight of their loss, and the part of the crops that is drawn around such a phase.
    learning_rate : float or None
        None: 1e-4 from a source, 1e-3 from random weights.
    schedule : str
        ``exponential`` (times ``decay`` every ``decay_epochs``), ``cosine`` (to 1 % at the end) or ``constant``.
    optimiser : str
        ``adam`` or ``adamw``.
    loss : str
        ``dice`` or ``dice_ce``.
    ema : float
        Decay of the running mean of the weights that is validated and kept; 0 = off.
    init : str
        Random weights when there is no source: ``sane`` (Kaiming) or ``paper`` (normal, mean 0, sd 1).
    augmentation : Augmentation or str
        How crops are varied; a name of `AUGMENTATIONS` is taken for what it stands for.
    validate_every, patience : int
        Epochs between validations; validations without gain before the run stops (0 = never).
    max_seconds : float or None
        End after this time; the cosine schedule then ends with it.
    network, network_options, spacing_mm
        Architecture and voxel size when there is no source.
    context : int
        Phases that the model is given at once when it predicts; 0 = all phases of the cycle.
    variants : int
        Shifted and re-contrasted looks that the model averages when it predicts (test-time augmentation).
    normalisation : str
        ``source`` (the source's) or ``target`` (measured on the training pairs).
    threads : int
        Crops at a time on a CPU, each on one core; 0 = one per core.
    precision : str
        ``auto`` (bfloat16 or half precision where the device is faster with it), ``bf16``, ``fp16`` or ``fp32``.
    recompute : bool
        Gradient checkpointing from the start: less memory, a second forward pass. A run that finds too little memory
        switches it on by itself before it makes the crops smaller.
    """

    epochs: int = 500
    steps: int = 20
    batch: int = 2
    crop: tuple[int, int, int] | None = None
    crop_jitter: int = 0
    windows: dict[int, float] | None = None
    foreground: float = 0.9
    learning_rate: float | None = None
    schedule: str = "exponential"
    decay: float = 0.9
    decay_epochs: int = 10
    warmup_steps: int = 0
    optimiser: str = "adam"
    weight_decay: float = 0.0
    clip_norm: float = 0.0
    loss: str = "dice"
    ema: float = 0.0
    trainable: str = "all"
    rate_decay: float = 1.0
    anchor: float = 0.0
    unlabelled: str = "off"
    unlabelled_weight: float = 0.5
    unlabelled_share: float = 0.5
    init: str = "sane"
    augmentation: Augmentation | str = Augmentation()
    validate_every: int = 1
    validation_cases: int = 0
    patience: int = 0
    max_seconds: float | None = None
    network: str = "cnn4d"
    network_options: dict = field(default_factory=dict)
    spacing_mm: float = 2.0
    context: int = 1
    variants: int = 1
    normalisation: str = "source"
    seed: int = 0
    device: str | None = None
    threads: int = 0
    precision: str = "auto"
    recompute: bool = False
    cache_dir: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.augmentation, str):
            _require_one_of("augmentation", self.augmentation, tuple(AUGMENTATIONS))
            object.__setattr__(self, "augmentation", AUGMENTATIONS[self.augmentation])
        _require_one_of("schedule", self.schedule, ("exponential", "cosine", "constant"))
        _require_one_of("optimiser", self.optimiser, ("adam", "adamw"))
        _require_one_of("loss", self.loss, ("dice", "dice_ce"))
        _require_one_of("init", self.init, ("sane", "paper"))
        _require_one_of("normalisation", self.normalisation, ("source", "target"))
        _require_one_of("precision", self.precision, ("auto", "bf16", "fp16", "fp32"))
        _require_one_of("trainable", self.trainable, ("all", "decoder", "norm_head"))
        _require_one_of("unlabelled", self.unlabelled, ("off", "carried", "teacher", "both"))
        if self.unlabelled in ("teacher", "both") and not self.ema:
            raise TrainingError(
                "unlabelled", expected="a running mean of the weights (ema) for the teacher", found="ema 0",
                remedy="Give ema, for example 0.99, or unlabelled 'carried'.",
            )  # fmt: skip
        for name in ("epochs", "steps", "batch", "validate_every", "variants"):
            if getattr(self, name) < 1:
                raise TrainingError(
                    name, expected="at least 1", found=str(getattr(self, name)), remedy="Give a positive number."
                )

    @classmethod
    def preset(cls, name: str, **overrides) -> FinetuneConfig:
        """Return a named recipe; overrides that are None are ignored.

        Parameters
        ----------
        name : str
            ``paper``: the paper's recipe. ``best``: for fine-tuning, chosen by ablation. ``smoke``: minutes on a CPU.
            ``site1``: long training from random weights.
        **overrides
            Fields of `FinetuneConfig`; ``init="random"`` means the preset's own random weights.

        Raises
        ------
        TrainingError
            An unknown preset or field.
        """
        _require_one_of("preset", name, tuple(PRESETS))
        known = {item.name for item in fields(cls)}
        given = {
            key: value for key, value in overrides.items() if value is not None and (key, value) != ("init", "random")
        }
        for key in given:
            _require_one_of("training option", key, tuple(sorted(known)))
        return replace(cls(**PRESETS[name]), **given)

    def resolved(self, *, crop: tuple[int, int, int], context: int) -> FinetuneConfig:
        """Fill in what follows from the model: crop and phases of a crop."""
        return replace(self, crop=self.crop or crop, windows=self.windows or {context or _WINDOW: 1.0})

    def as_dict(self) -> dict:
        """Return every parameter, ready for JSON."""
        return asdict(self)


_ROBUST = {
    "crop_jitter": 8,
    "loss": "dice_ce",
    "optimiser": "adamw",
    "weight_decay": 1e-4,
    "clip_norm": 5.0,
    "schedule": "cosine",
}

PRESETS: dict[str, dict] = {
    # Batch, crop and steps are not in the paper; 0.9 is taken every ten epochs, since once an epoch would end the
    # learning after sixty of the five hundred.
    "paper": {},
    # Chosen by ablation: Docs/FineTuning.md.
    "best": {
        **_ROBUST,
        "epochs": 20,
        "learning_rate": 3e-4,
        # What lies beyond the hospital's own scanner is the source's knowledge.
        "augmentation": "own_scanner",
        "warmup_steps": 20,
        "ema": 0.98,
        "variants": 3,
        "validate_every": 4,
    },
    "smoke": {**_ROBUST, "epochs": 6, "steps": 10, "windows": {1: 1.0}, "ema": 0.9, "learning_rate": 1e-4},
    "site1": {
        **_ROBUST,
        "epochs": 2000,
        "steps": 50,
        "windows": {1: 0.75, 2: 0.1, 4: 0.15},
        # Whole cycles at once were worse than phase by phase after the hour that this recipe is given on a CPU.
        "context": 1,
        "learning_rate": 2e-3,
        "warmup_steps": 100,
        "ema": 0.995,
        "validate_every": 5,
    },
}


def _require_one_of(where: str, value: object, known: tuple) -> None:
    if value not in known:
        raise TrainingError(
            where, expected=f"one of {', '.join(map(str, known))}", found=repr(value), remedy="Choose one of these."
        )
