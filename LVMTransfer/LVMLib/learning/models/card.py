"""The model card: what a colleague reads before using a model."""

from __future__ import annotations

from .manifest import BundleManifest, Origin


def model_card(manifest: BundleManifest) -> str:
    """Return the card of a model as Markdown."""
    architecture = manifest.architecture
    window = manifest.normalisation
    lines = [
        f"# {manifest.name}",
        "",
        "Segments the left ventricle in 4D coronary CT angiography: 1 LV blood pool (papillary muscles included), "
        "2 LV myocardium (LVM).",
        "",
        f"**{manifest.intended_use}**",
        "",
        *_verdict(manifest),
        "## Model",
        "",
        f"- Network: `{architecture.name}` {architecture.options or ''}, {architecture.parameters:,} parameters",
        f"- Voxels: {manifest.spacing_mm:g} mm isotropic, patient axes; training crop {manifest.crop} (Z, Y, X)",
        f"- Intensity: {window.low:g} to {window.high:g} HU, (HU − {window.centre:g}) / {window.scale:g}",
        f"- Phases that it is given at once: {manifest.context or 'all'}",
        f"- Looks that it averages when it predicts: {manifest.variants}",
        f"- Licence: {manifest.licence}",
        "",
        "## Where it comes from",
        "",
    ]
    for number, origin in enumerate(manifest.provenance, start=1):
        lines += _origin(number, origin)
    lines += [
        "## Limits",
        "",
        "Trained on contrast-enhanced, ECG-gated CT. Check every contour; other scanners and contrast timings "
        "may need fine-tuning on a few own cases.",
        "",
    ]
    return "\n".join(lines)


def _verdict(manifest: BundleManifest) -> list[str]:
    if manifest.better_than_source is None:
        return []
    last = manifest.provenance[-1]
    numbers = f"validation Dice {last.source_validation_dice:.4f} before, {last.validation_dice:.4f} after"
    if manifest.better_than_source:
        return [f"Better than its source on the validation cases: {numbers}.", ""]
    return [f"**Not better than its source on the validation cases: {numbers}. Use the source.**", ""]


def _origin(number: int, origin: Origin) -> list[str]:
    kind = "phantom cases (synthetic)" if origin.phantom else "cases"
    score = "not measured" if origin.validation_dice is None else f"{origin.validation_dice:.4f}"
    where = "phantom " if origin.phantom else ""
    return [
        f"{number}. Site {origin.site}: {origin.training_cases} training and {origin.validation_cases} validation "
        f"{kind}; start: {origin.init}; {origin.epochs} epochs; {where}validation Dice {score}; seed {origin.seed}; "
        f"version {origin.version}, commit {origin.commit}; {origin.finished}",
        "",
        f"       {origin.command}",
        "",
    ]
