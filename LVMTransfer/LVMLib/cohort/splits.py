"""Nested splits of cases, as in the paper: 45 test, 20 validation, 30 training in groups of 5, 10 … 30."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import PairError
from .manifest import SplitsManifest, read_manifest, write_manifest
from .pairs import Pair, open_pairs

log = logging.getLogger(__name__)

SPLITS_NAME = "splits.json"
_PAPER_TEST, _PAPER_VALIDATION, _PAPER_GROUPS = 45 / 95, 20 / 95, 6


@dataclass(frozen=True)
class Splits:
    """Which cases train, validate and test.

    Parameters
    ----------
    test, validation : tuple of str
        Case names, sorted.
    training : tuple of str
        Case names in the order in which training groups take them.
    groups : dict of int to tuple of str
        Training groups by size; each begins with the one before.
    seed : int
        Seed of the shuffle.
    """

    test: tuple[str, ...]
    validation: tuple[str, ...]
    training: tuple[str, ...]
    groups: dict[int, tuple[str, ...]]
    seed: int


@dataclass(frozen=True)
class TrainingSplit:
    """The opened pairs for one training run.

    Parameters
    ----------
    train, validation : list of Pair
    """

    train: list[Pair]
    validation: list[Pair]


def nested_splits(
    ids: Iterable[str],
    *,
    test: int | float = _PAPER_TEST,
    validation: int | float = _PAPER_VALIDATION,
    groups: Iterable[int] | None = None,
    seed: int = 0,
) -> Splits:
    """Split cases at random into test, validation and nested training groups.

    Parameters
    ----------
    ids : iterable of str
        Case names; their order does not matter.
    test, validation : int or float
        Number of cases, or fraction of all (the paper's proportions by default, at least one case each).
    groups : iterable of int, optional
        Sizes of the training groups; None = six equal steps up to all training cases (5, 10 … 30 for the paper's 95).
    seed : int
        Seed of the shuffle.

    Raises
    ------
    PairError
        A name twice, too few cases, or a group larger than the training set.
    """
    names = sorted(ids)
    if len(set(names)) != len(names):
        raise PairError("splits", expected="each case once", found="a name twice", remedy="Give each case once.")
    n_test, n_validation = _counts(len(names), test, validation)
    n_train = len(names) - n_test - n_validation
    if groups is None:
        groups = {max(1, round(n_train * step / _PAPER_GROUPS)) for step in range(1, _PAPER_GROUPS + 1)}
    sizes = sorted(set(groups))
    if n_train < 1 or n_validation < 1 or n_test < 0 or not sizes or sizes[0] < 1 or sizes[-1] > n_train:
        raise PairError(
            "splits",
            expected=f"{n_test} test and {n_validation} validation cases, and training groups {sizes}",
            found=f"{len(names)} cases",
            remedy="Add cases, or ask for fewer in each part.",
        )
    order = [names[n] for n in np.random.default_rng(seed).permutation(len(names))]
    training = tuple(order[n_test + n_validation :])
    return Splits(
        test=tuple(sorted(order[:n_test])),
        validation=tuple(sorted(order[n_test : n_test + n_validation])),
        training=training,
        groups={size: training[:size] for size in sizes},
        seed=seed,
    )


def write_splits(pairs_dir: str | os.PathLike, splits: Splits) -> None:
    """Write ``splits.json`` beside the pairs, atomically."""
    write_manifest(Path(pairs_dir) / SPLITS_NAME, SplitsManifest(**vars(splits)))


def read_splits(pairs_dir: str | os.PathLike) -> Splits:
    """Read ``splits.json``, or raise `PairError`."""
    manifest = read_manifest(Path(pairs_dir) / SPLITS_NAME, SplitsManifest, PairError)
    return Splits(manifest.test, manifest.validation, manifest.training, manifest.groups, manifest.seed)


def training_split(pairs_dir: str | os.PathLike, *, cases: int | None = None) -> TrainingSplit:
    """Open the training and validation pairs.

    The splits come from ``splits.json``; where there is none it is made with the paper's proportions and seed 0, so
    that every later run and evaluation uses the same cases.

    Parameters
    ----------
    pairs_dir : path
        Folder of all pairs.
    cases : int, optional
        Train on the first ``cases`` training cases; None = all.

    Raises
    ------
    PairError
        No pairs, too few, or more cases asked for than there are.
    """
    pairs, splits = _opened(pairs_dir)
    if cases is not None and not 1 <= cases <= len(splits.training):
        raise PairError(
            pairs_dir,
            expected=f"1 to {len(splits.training)} training cases",
            found=f"{cases} asked for",
            remedy="Ask for fewer cases, or export more.",
        )
    train = splits.training[:cases]
    return TrainingSplit([pairs[name] for name in train], [pairs[name] for name in splits.validation])


def training_groups(pairs_dir: str | os.PathLike) -> list[int]:
    """Return the sizes of the nested training groups of a folder of pairs; errors as `training_split`."""
    return sorted(_opened(pairs_dir)[1].groups)


def pairs_of_split(pairs_dir: str | os.PathLike, split: str = "test") -> list[Pair]:
    """Open the pairs of one part of the split.

    Parameters
    ----------
    pairs_dir : path
        Folder of all pairs.
    split : str
        ``test``, ``validation``, ``train`` or ``all`` (needs no splits).

    Raises
    ------
    PairError
        No pairs, or none in this part.
    """
    if split == "all":
        return open_pairs(pairs_dir)
    pairs, splits = _opened(pairs_dir)
    names = {"test": splits.test, "validation": splits.validation, "train": splits.training}[split]
    if not names:
        raise PairError(
            pairs_dir,
            expected=f"{split} cases",
            found=f"{len(pairs)} pairs, none of them for {split}",
            remedy="Export more cases, or evaluate another part with --split.",
        )
    return [pairs[name] for name in names]


def _opened(pairs_dir: str | os.PathLike) -> tuple[dict[str, Pair], Splits]:
    pairs = {pair.id: pair for pair in open_pairs(pairs_dir)}
    if not (Path(pairs_dir) / SPLITS_NAME).exists():
        write_splits(pairs_dir, nested_splits(pairs))
    splits = read_splits(pairs_dir)
    named = {*splits.test, *splits.validation, *splits.training}
    if missing := sorted(named - pairs.keys()):
        raise PairError(
            Path(pairs_dir) / SPLITS_NAME,
            expected="a pair for each case that it names",
            found=f"no pair for {', '.join(missing[:3])}",
            remedy="Export these cases again, or delete splits.json to split anew.",
        )
    if extra := pairs.keys() - named:
        log.warning("%d pair(s) came after splits.json was made and are in no split", len(extra))
    return pairs, splits


def _counts(total: int, test: int | float, validation: int | float) -> tuple[int, int]:
    def count(part: int | float) -> int:
        return part if isinstance(part, int) else max(1, round(part * total))

    n_test, n_validation = count(test), count(validation)
    # Two pairs cannot give three parts: what training needs comes first.
    if isinstance(test, float) and n_test + n_validation >= total:
        n_test = max(0, total - n_validation - 1)
    return n_test, n_validation
