"""Commands on models: finetune, evaluate, model."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from ..errors import LVMError
from ..progress import Progress, part
from .arguments import numbers, quantity, whole
from .terminal import Outcome

SECONDS = quantity(0.01, 1e8, "seconds")


def register(commands: argparse._SubParsersAction) -> None:
    """Add this group's commands to the parser."""
    _register_finetune(commands)
    _register_evaluate(commands)
    _register_study(commands)
    _register_model(commands)


def _register_finetune(commands: argparse._SubParsersAction) -> None:
    finetune = commands.add_parser("finetune", help="train on your own pairs, from another hospital's model")
    finetune.add_argument("pairs", type=Path)
    start = finetune.add_mutually_exclusive_group(required=True)
    start.add_argument("--from", dest="source", type=Path, metavar="BUNDLE", help="the model to start from")
    start.add_argument("--random-init", action="store_true", help="train from random weights (a control)")
    finetune.add_argument("--out", type=Path, required=True, metavar="RUN", help="run folder")
    finetune.add_argument(
        "--preset",
        help="best (default from a model), paper (default from random weights; long), smoke (minutes) or site1 (long)",
    )
    finetune.add_argument("--cases", type=whole(1), metavar="N", help="train on the first N training cases")
    finetune.add_argument("--epochs", type=whole(1), metavar="N")
    finetune.add_argument(
        "--seconds", type=SECONDS, metavar="S", help="stop after this time with the best model so far"
    )
    finetune.add_argument("--seed", type=whole(), default=0)
    finetune.add_argument("--device")
    finetune.add_argument("--resume", action="store_true", help="continue the run that is in RUN")
    finetune.set_defaults(run=run_finetune)


def _register_evaluate(commands: argparse._SubParsersAction) -> None:
    evaluate = commands.add_parser("evaluate", help="compare models on pairs: Dice, distances, volumes, thickness")
    evaluate.add_argument("pairs", type=Path)
    evaluate.add_argument(
        "--model",
        type=Path,
        action="append",
        required=True,
        metavar="BUNDLE",
        help="once for each; the first is the reference",
    )
    evaluate.add_argument("--out", type=Path, required=True, metavar="DIR")
    evaluate.add_argument(
        "--split", choices=("test", "validation", "train", "all"), default="test", help="which cases (default: test)"
    )
    evaluate.add_argument("--device")
    evaluate.set_defaults(run=run_evaluate)


def _register_study(commands: argparse._SubParsersAction) -> None:
    study = commands.add_parser("study", help="learning curve: recipes and training sizes against random weights")
    study.add_argument("pairs", type=Path)
    study.add_argument(
        "--from", dest="source", type=Path, required=True, metavar="BUNDLE", help="the model to start from"
    )
    study.add_argument("--out", type=Path, required=True, metavar="DIR")
    study.add_argument(
        "--recipe", action="append", metavar="PRESET[+FIELD=VALUE…]", help="once for each (default: paper and best)"
    )
    study.add_argument("--sizes", type=numbers, metavar="N,N", help="training sizes (default: those of the split)")
    study.add_argument(
        "--controls", type=numbers, metavar="N,N", help="sizes from random weights (default: as --sizes)"
    )
    study.add_argument("--epochs", type=whole(1), metavar="N", help="of every arm")
    study.add_argument("--set", dest="changes", action="append", default=[], metavar="FIELD=VALUE", help="of every arm")
    study.add_argument("--seed", type=whole(), default=0)
    study.add_argument("--split", choices=("test", "validation"), default="test", help="validation: to choose a recipe")
    study.add_argument("--device")
    study.set_defaults(run=run_study_command)


def _register_model(commands: argparse._SubParsersAction) -> None:
    model = commands.add_parser("model", help="pack, verify, sign or show a model bundle")
    actions = model.add_subparsers(dest="action", required=True, metavar="pack|verify|card|import|key|sign")
    pack = actions.add_parser("pack", help="copy a run's best model into a bundle to share")
    pack.add_argument("run_folder", type=Path, metavar="RUN", help="run folder of a training")
    pack.add_argument("bundle", type=Path)
    pack.set_defaults(run=run_pack)
    verify = actions.add_parser("verify", help="check every file and tensor of a bundle")
    verify.add_argument("bundle", type=Path)
    verify.add_argument("--key", type=Path, metavar="PUBLIC", help="also that the holder of this key signed it")
    verify.set_defaults(run=run_verify)
    card = actions.add_parser("card", help="show a bundle's model card")
    card.add_argument("bundle", type=Path)
    card.set_defaults(run=run_card)
    bring = actions.add_parser("import", help="make a bundle of a .pt file of the same network")
    bring.add_argument("checkpoint", type=Path, help=".pt file from elsewhere")
    bring.add_argument("bundle", type=Path)
    bring.add_argument("--like", type=Path, required=True, metavar="BUNDLE", help="a bundle of the same network")
    bring.add_argument("--site", required=True, help="who trained it")
    bring.set_defaults(run=run_import_checkpoint)
    key = actions.add_parser("key", help="make a key to sign bundles with")
    key.add_argument("key", type=Path, help="file for the private key; the public one is KEY.pub")
    key.set_defaults(run=run_key)
    sign = actions.add_parser("sign", help="sign a bundle")
    sign.add_argument("bundle", type=Path)
    sign.add_argument("--key", type=Path, required=True, metavar="PRIVATE", help="private key")
    sign.set_defaults(run=run_sign)


def run_finetune(options: argparse.Namespace, progress: Progress) -> Outcome:
    """Train, and say whether the new model is better than its source."""
    from ..cohort import training_split
    from ..learning import Bundle, FinetuneConfig, finetune

    split = training_split(options.pairs, cases=options.cases)
    config = FinetuneConfig.preset(
        options.preset or ("best" if options.source else "paper"),
        epochs=options.epochs,
        max_seconds=options.seconds,
        seed=options.seed,
        device=options.device,
        init=None if options.source else "random",
    )
    outcome = finetune(
        split.train,
        split.validation,
        source=Bundle.load(options.source) if options.source else None,
        config=config,
        run_dir=options.out,
        progress=progress,
        resume=options.resume,
    )
    if int(os.environ.get("RANK", "0")):
        # Under torchrun the first process tells the result.
        options.json = False
        return Outcome({}, "")
    return Outcome(outcome.as_dict(), outcome.describe())


def run_evaluate(options: argparse.Namespace, progress: Progress) -> Outcome:
    """Compare models and write the report."""
    from ..cohort import pairs_of_split
    from ..evaluation import describe_table, evaluate_pairs, write_report
    from ..learning import Bundle

    bundles = {name: Bundle.load(path) for name, path in bundle_names(options.model).items()}
    pairs = pairs_of_split(options.pairs, options.split)
    evaluation = evaluate_pairs(pairs, bundles, device=options.device, progress=part(progress, 0.0, 0.95))
    page = write_report(options.out, table=evaluation)
    return Outcome({**evaluation.as_dict(), "report": str(page)}, f"{describe_table(evaluation)}\n{page}")


def run_study_command(options: argparse.Namespace, progress: Progress) -> Outcome:
    """Train and compare every arm; go on where an earlier call was stopped."""
    from ..cohort import training_groups
    from ..evaluation.study import describe_study, parse_changes, plan, run_study
    from ..learning import Bundle

    sizes = training_groups(options.pairs) if options.sizes is None else options.sizes
    shared = {name: getattr(options, name) for name in ("epochs", "seed", "device")} | parse_changes(options.changes)
    controls = sizes if options.controls is None else options.controls
    arms = plan(options.recipe or ["paper", "best"], sizes, controls, **shared)
    table = run_study(
        options.pairs, Bundle.load(options.source), arms, out=options.out, split=options.split, progress=progress
    )
    page = options.out / "index.html"
    return Outcome({**table.as_dict(), "report": str(page)}, f"{describe_study(table, arms)}\n{page}")


def bundle_names(paths: list[Path]) -> dict[str, Path]:
    """Name each model by its folder; by the folder above too where names are equal, as in RUN-1/best and RUN-2/best.

    Raises
    ------
    LVMError
        One model is given twice.
    """
    places = [path.resolve() for path in paths]
    for place, path in zip(places, paths):
        if places.count(place) > 1:
            raise LVMError(path, expected="each model once", found="it twice", remedy="Give --model once for each.")
    depth = 1
    while len(names := {"/".join(place.parts[-depth:]): path for place, path in zip(places, paths)}) < len(paths):
        depth += 1
    return names


def run_pack(options: argparse.Namespace, progress: Progress) -> Outcome:
    """Copy a run's best model."""
    from ..learning import Bundle

    bundle = Bundle.load(options.run_folder / "best")
    bundle.copy_to(options.bundle)
    return Outcome({"bundle": str(options.bundle)}, f"{options.bundle}: verified and packed")


def run_verify(options: argparse.Namespace, progress: Progress) -> Outcome:
    """Verify a bundle, and its signature if asked to."""
    from ..learning import Bundle
    from ..learning.models.signature import require_signed_by

    bundle = Bundle.load(options.bundle)
    bundle.require_nothing_else()
    if options.key:
        require_signed_by(bundle, options.key)
    result = {"bundle": str(options.bundle), "verified": True, "signed": bool(options.key)}
    text = f"{options.bundle}: every file and tensor is right"
    return Outcome(result, f"{text}, and the holder of {options.key} signed it" if options.key else text)


def run_import_checkpoint(options: argparse.Namespace, progress: Progress) -> Outcome:
    """Make a bundle of weights from elsewhere."""
    from ..learning import Bundle
    from ..learning.models.foreign import bundle_from_checkpoint

    like = Bundle.load(options.like)
    bundle = bundle_from_checkpoint(options.checkpoint, options.bundle, like=like, site=options.site)
    return Outcome({"bundle": str(bundle.path)}, f"{bundle.path}: verified and written")


def run_key(options: argparse.Namespace, progress: Progress) -> Outcome:
    """Make a pair of keys."""
    from ..learning.models.signature import make_key

    public = make_key(options.key)
    text = f"{options.key}: keep this private key to yourself\n{public}: give this one to those who get your bundles"
    return Outcome({"private": str(options.key), "public": str(public)}, text)


def run_sign(options: argparse.Namespace, progress: Progress) -> Outcome:
    """Sign a bundle."""
    from ..learning import Bundle
    from ..learning.models.signature import sign

    file = sign(Bundle.load(options.bundle), options.key)
    return Outcome({"bundle": str(options.bundle), "signature": str(file)}, f"{file}: signed")


def run_card(options: argparse.Namespace, progress: Progress) -> Outcome:
    """Show the model card."""
    from ..learning import Bundle

    Bundle.load(options.bundle)
    card = (options.bundle / "README.md").read_text(encoding="utf-8")
    return Outcome({"bundle": str(options.bundle), "card": card}, card)
