"""``bundle.json``: what a bundle says about its model."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

ARCHITECTURE_VERSION = 1


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Architecture(_Strict):
    """A network of the registry."""

    name: str
    version: int = ARCHITECTURE_VERSION
    options: dict = Field(default_factory=dict)
    parameters: int


class HUWindow(_Strict):
    """`Normalisation` on disk, HU."""

    low: float
    high: float
    centre: float
    scale: float = Field(gt=0)


class Origin(_Strict):
    """One training run in a model's history, oldest first."""

    site: str
    training_cases: int
    validation_cases: int
    phantom: bool
    init: str
    command: str
    commit: str
    version: str
    seed: int
    epochs: int
    finished: str
    validation_dice: float | None = None
    source_validation_dice: float | None = None
    weights_sha256: str = ""
    config: dict = Field(default_factory=dict)


class BundleManifest(_Strict):
    """``bundle.json``."""

    format: Literal[1] = 1
    name: str
    architecture: Architecture
    spacing_mm: float = Field(gt=0)
    normalisation: HUWindow
    labels: dict[int, str]
    crop: tuple[int, int, int]
    context: int = 1
    variants: int = Field(default=1, ge=1)
    provenance: tuple[Origin, ...]
    better_than_source: bool | None = None
    licence: str = "Apache-2.0"
    intended_use: str = "Research only; not a medical device."
    sha256: dict[str, str] = Field(default_factory=dict)
