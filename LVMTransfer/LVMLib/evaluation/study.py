"""A learning curve: one source model, several recipes and training sizes, a control from random weights."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..cohort import Pair, pairs_of_split, training_split
from ..errors import TrainingError
from ..files import atomic_file, write_json
from ..progress import Progress, part, silent
from .charts import Series, line_chart
from .pairs import evaluate_pairs
from .report import Picture, write_report
from .statistics import paired_bootstrap
from .table import EvaluationTable, Row
from .text import interval_text, summary_text

if TYPE_CHECKING:
    from ..learning import Bundle, FinetuneConfig

CONTROL = "random"
_SHOWN = ("dice_blood_pool", "dice_lvm", "assd_mm_lvm")
SOURCE = "source"


@dataclass(frozen=True)
class Arm:
    """One training run of a study.

    Parameters
    ----------
    recipe : str
        A preset, with changes as in ``best+anchor=0``; `CONTROL` for the control.
    cases : int
        Training cases.
    config : FinetuneConfig
        The recipe's parameters.
    from_source : bool
        Whether it starts from the source model.
    """

    recipe: str
    cases: int
    config: FinetuneConfig
    from_source: bool

    @property
    def name(self) -> str:
        """Return the name that stands in tables and on disk."""
        return f"{self.recipe}-{self.cases}"


def parse_changes(changes: Sequence[str]) -> dict[str, object]:
    """Return ``{"anchor": 0}`` for ``["anchor=0"]``; values are JSON, or text.

    Raises
    ------
    TrainingError
        A change without a value.
    """
    parsed: dict[str, object] = {}
    for change in changes:
        name, given, value = change.partition("=")
        if not given:
            raise TrainingError(
                "recipe", expected="changes such as anchor=0", found=change, remedy="Write FIELD=VALUE."
            )
        try:
            parsed[name] = json.loads(value)
        except json.JSONDecodeError:
            parsed[name] = value
    return parsed


def recipe_config(recipe: str, **overrides) -> FinetuneConfig:
    """Return the parameters of ``PRESET`` or ``PRESET+field=value+…``; overrides as in `FinetuneConfig.preset`.

    Raises
    ------
    TrainingError
        An unknown preset or field, or a change without a value.
    """
    from ..learning import FinetuneConfig

    preset, *changes = recipe.split("+")
    return FinetuneConfig.preset(preset, **{**overrides, **parse_changes(changes)})


def plan(
    recipes: Sequence[str], sizes: Sequence[int], controls: Sequence[int], *, control: str = "paper", **overrides
) -> list[Arm]:
    """Return the arms of a study: every recipe at every size, and the control from random weights.

    Parameters
    ----------
    recipes, sizes
        Fine-tuned arms.
    controls : sequence of int
        Training sizes of the control.
    control : str
        Recipe of the control; all else is equal to the fine-tuned arms.
    **overrides
        Parameters that all arms share, such as ``epochs``.
    """
    arms = [Arm(recipe, size, recipe_config(recipe, **overrides), True) for recipe in recipes for size in sizes]
    return arms + [Arm(CONTROL, size, recipe_config(control, **overrides), False) for size in controls]


def run_study(
    pairs_dir: str | Path,
    source: Bundle,
    arms: Sequence[Arm],
    *,
    out: str | Path,
    split: str = "test",
    progress: Progress = silent,
) -> EvaluationTable:
    """Train every arm, evaluate all of them and the source on one part of the split, and write the report.

    What is finished is kept: a study that was stopped goes on where it was when it is called again with the same
    arguments.

    Parameters
    ----------
    pairs_dir : path
        Pairs with ``splits.json``; larger training groups contain the smaller ones.
    source : Bundle
        The model to start from; it is the first model of the table.
    arms : sequence of Arm
        From `plan`.
    out : path
        Gets ``runs/``, ``index.html``, ``study.json`` and ``evaluation.csv``.
    split : str
        ``test``; or ``validation``, on which recipes are chosen.

    Raises
    ------
    TrainingError, PairError
        As in `finetune`; or an arm of that name was trained with other parameters.
    """
    out = Path(out)
    pairs = pairs_of_split(pairs_dir, split)
    for arm in arms:
        training_split(pairs_dir, cases=arm.cases)
    tables = [_evaluated(out / "source", SOURCE, source, pairs, progress=part(progress, 0.0, 0.05))]
    results: dict[str, dict] = {}
    for number, arm in enumerate(arms):
        step = part(progress, 0.05 + 0.95 * number / len(arms), 0.05 + 0.95 * (number + 1) / len(arms))
        bundle, results[arm.name] = _trained(arm, pairs_dir, source, out, progress=part(step, 0.0, 0.85))
        tables.append(_evaluated(out / "runs" / arm.name, arm.name, bundle, pairs, progress=part(step, 0.85, 1.0)))
    table = EvaluationTable(
        tuple(row for found in tables for row in found.rows),
        tuple(found.models[0] for found in tables),
        any(found.phantom for found in tables),
        {"pairs": [pair.id for pair in pairs], "split": split, "source": str(source.path)},
    )
    _write(out, table, arms, results)
    return table


def describe_study(table: EvaluationTable, arms: Sequence[Arm]) -> str:
    """Return the study for a terminal: a line an arm, then every arm against other recipes with more cases."""
    kind = "PHANTOM (synthetic) results" if table.phantom else "Results"
    where = f"{len(table.cases)} {table.facts['split']} cases"
    lines = [f"{kind}: {where}; Dice, mean of both classes, mean ± SD over cases"]
    for name in table.models:
        blood, wall, distance = (table.summary(name, key) for key in _SHOWN)
        overlap = table.summary(name, "dice")
        lines.append(
            f"  {name}: {summary_text(overlap)} (largest {overlap.largest:.3f}; blood pool {summary_text(blood)}, "
            f"LVM {summary_text(wall)}, ASSD of the LVM {summary_text(distance)} mm)"
        )
    for few in arms:
        for many in arms:
            if few.cases < many.cases and few.recipe not in (many.recipe, CONTROL):
                found = paired_bootstrap(table.per_case(many.name, "dice"), table.per_case(few.name, "dice"))
                lines.append(f"  {few.name} − {many.name}: {interval_text(found)} (paired bootstrap, 95 %)")
    return "\n".join(lines)


def _trained(arm: Arm, pairs_dir: str | Path, source: Bundle, out: Path, *, progress: Progress) -> tuple[Bundle, dict]:
    from ..learning import Bundle, RunFolder, finetune

    run = RunFolder(out / "runs" / arm.name)
    data = training_split(pairs_dir, cases=arm.cases)
    begun = run.exists()
    if not (begun and run.read()["status"] == "done"):
        finetune(
            data.train, data.validation, source=source if arm.from_source else None,
            config=replace(arm.config, cache_dir=str(out / "cache")), run_dir=run.path, progress=progress,
            resume=begun,
        )  # fmt: skip
    return Bundle.load(run.best), run.read()["result"]


def _evaluated(folder: Path, name: str, bundle: Bundle, pairs: list[Pair], *, progress: Progress) -> EvaluationTable:
    """Evaluate a model, or read what was found before for the same weights and cases."""
    path = folder / "evaluation.json"
    facts = {"weights": bundle.manifest.sha256["model.safetensors"], "pairs": [pair.id for pair in pairs]}
    if path.is_file():
        earlier = json.loads(path.read_text(encoding="utf-8"))
        if {key: earlier["facts"].get(key) for key in facts} == facts:
            rows = (
                {key: math.nan if value is None else value for key, value in row.items()} for row in earlier["rows"]
            )
            return EvaluationTable(tuple(Row(**row) for row in rows), (name,), earlier["phantom"], earlier["facts"])
    found = evaluate_pairs(pairs, {name: bundle}, thickness=False, progress=progress)
    found = replace(found, facts={**found.facts, **facts})
    found.write_json(path)
    return found


def _row(values: dict) -> Row:
    return Row(**{name: math.nan if value is None else value for name, value in values.items()})


def _write(out: Path, table: EvaluationTable, arms: Sequence[Arm], results: dict[str, dict]) -> None:
    lines = []
    for arm in arms:
        found = table.summary(arm.name, "dice")
        run = {key: results[arm.name][key] for key in ("dice", "epochs", "seconds", "better")}
        lines.append({
            "arm": arm.name, "recipe": arm.recipe, "cases": arm.cases, "mean_dice": found.mean,
            "max_dice": found.largest, "validation_dice": run.pop("dice"), **run,
        })  # fmt: skip
    write_json(out / "study.json", {"phantom": table.phantom, "split": table.facts["split"], "arms": lines})
    with atomic_file(out / "curve.svg") as temporary:
        temporary.write_text(_curve(table, arms), encoding="utf-8")
    kind = "phantom " if table.phantom else ""
    caption = (
        f"Mean {kind}Dice over {len(table.cases)} {table.facts['split']} cases against the number of training cases."
    )
    write_report(
        out, table=table, title="Learning curve: fine-tuning against random weights",
        pictures=[Picture(out / "curve.svg", caption, "Learning curve")],
    )  # fmt: skip


def _curve(table: EvaluationTable, arms: Sequence[Arm]) -> str:
    sizes = sorted({arm.cases for arm in arms})
    untouched = table.summary(SOURCE, "dice").mean
    series = [Series("source, untouched", (sizes[0], sizes[-1]), (untouched, untouched))]
    for recipe in dict.fromkeys(arm.recipe for arm in arms):
        own = [arm for arm in arms if arm.recipe == recipe]
        dice = [table.summary(arm.name, "dice").mean for arm in own]
        series.append(Series(recipe, [arm.cases for arm in own], dice))
    return line_chart(series, title="", x_label="training cases", y_label="mean Dice", marks=True)
