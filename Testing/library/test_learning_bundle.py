"""A bundle that is not what it says is refused."""

import json

import pytest
import torch
from learning_helpers import saved_bundle
from LVMLib.errors import BundleError
from LVMLib.files import sha256
from LVMLib.learning import Bundle, Normalisation
from LVMLib.learning.models.foreign import bundle_from_checkpoint
from LVMLib.learning.models.signature import make_key, require_signed_by, sign
from safetensors.torch import load_file, save_file


@pytest.fixture
def bundle(tmp_path):
    return saved_bundle(tmp_path / "bundle", training_cases=3, validation_dice=0.5)


def rewrite(bundle, change):
    path = bundle.path / "bundle.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))


def reweigh(bundle, change):
    path = bundle.path / "model.safetensors"
    state = load_file(path)
    change(state)
    save_file(state, path)
    rewrite(bundle, lambda manifest: manifest["sha256"].update({path.name: sha256(path)}))


def test_a_bundle_comes_back_as_it_was_saved(bundle):
    loaded = Bundle.load(bundle.path)
    x = torch.randn(1, 1, 2, 8, 8, 8)
    with torch.no_grad():
        assert torch.equal(loaded.network()(x), bundle.network()(x))
    assert loaded.normalisation == Normalisation()
    assert loaded.manifest.provenance[-1].weights_sha256 == sha256(bundle.path / "model.safetensors")


def test_a_copy_is_verified(bundle, tmp_path):
    copy = bundle.copy_to(tmp_path / "copy")
    assert copy.manifest == Bundle.load(bundle.path).manifest


def test_the_card_says_phantom_and_research_only(bundle):
    card = (bundle.path / "README.md").read_text()
    assert "phantom validation Dice 0.5" in card
    assert "not a medical device" in card


def test_an_altered_weight_file_is_refused(bundle):
    path = bundle.path / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(BundleError, match="SHA-256"):
        Bundle.load(bundle.path)


DAMAGES = {
    "a missing tensor": lambda b: reweigh(b, lambda s: s.pop("head.bias")),
    "an extra tensor": lambda b: reweigh(b, lambda s: s.update(more=torch.zeros(1))),
    "another shape": lambda b: reweigh(b, lambda s: s.update({"head.bias": torch.zeros(4)})),
    "NaN weights": lambda b: reweigh(b, lambda s: s["head.bias"].fill_(float("nan"))),
    "another label map": lambda b: rewrite(b, lambda m: m["labels"].update({"1": "LV myocardium"})),
    "another architecture version": lambda b: rewrite(b, lambda m: m["architecture"].update(version=99)),
    "an unknown architecture": lambda b: rewrite(b, lambda m: m["architecture"].update(name="transformer")),
    "an unknown option": lambda b: rewrite(b, lambda m: m["architecture"].update(options={"depth": 3})),
    "another format": lambda b: rewrite(b, lambda m: m.update(format=2)),
    "no manifest": lambda b: (b.path / "bundle.json").unlink(),
    "no weights": lambda b: (b.path / "model.safetensors").unlink(),
    "no JSON": lambda b: (b.path / "bundle.json").write_text("{"),
    "a pickle for weights": lambda b: (
        torch.save({}, b.path / "model.safetensors"),
        rewrite(b, lambda m: m["sha256"].update({"model.safetensors": sha256(b.path / "model.safetensors")})),
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_bundle_is_a_bundle_error_with_a_remedy(bundle, damage):
    DAMAGES[damage](bundle)
    with pytest.raises(BundleError) as caught:
        Bundle.load(bundle.path)
    assert str(bundle.path) in str(caught.value)
    assert caught.value.remedy


@pytest.fixture
def signed(bundle, tmp_path):
    pytest.importorskip("cryptography")
    public = make_key(tmp_path / "site1.key")
    sign(bundle, tmp_path / "site1.key")
    return bundle, public


def test_a_signed_bundle_is_known_by_the_public_key_also_as_a_copy(signed, tmp_path):
    bundle, public = signed
    require_signed_by(bundle, public)
    require_signed_by(bundle.copy_to(tmp_path / "copy"), public)
    assert (tmp_path / "site1.key").stat().st_mode & 0o077 == 0


def test_a_changed_manifest_another_key_and_no_signature_are_refused(signed, tmp_path):
    bundle, public = signed
    other = make_key(tmp_path / "other.key")
    with pytest.raises(BundleError, match="Do not use this bundle"):
        require_signed_by(bundle, other)
    with pytest.raises(BundleError, match="Ed25519"):
        require_signed_by(bundle, tmp_path / "site1.key")
    rewrite(bundle, lambda manifest: manifest.update(name="better"))
    with pytest.raises(BundleError, match="changed manifest"):
        require_signed_by(bundle, public)
    (bundle.path / "bundle.json.sig").unlink()
    with pytest.raises(BundleError, match="unsigned"):
        require_signed_by(bundle, public)


@pytest.mark.parametrize("wrapped", [lambda s: s, lambda s: {"model": s}, lambda s: {"state_dict": s, "epoch": 3}])
def test_a_checkpoint_from_elsewhere_becomes_a_bundle(bundle, tmp_path, wrapped):
    state = {f"module.{name}": tensor for name, tensor in bundle.state.items()}
    torch.save(wrapped(state), tmp_path / "theirs.pt")
    made = bundle_from_checkpoint(tmp_path / "theirs.pt", tmp_path / "made", like=bundle, site="elsewhere")
    assert all(torch.equal(made.state[name], bundle.state[name]) for name in bundle.state)
    assert Bundle.load(made.path).manifest.provenance[-1].site == "elsewhere"


class Harmful:
    """Would make a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("content", ["code", "other tensors", "no state dict", "no file"])
def test_a_checkpoint_with_code_or_other_tensors_is_refused_and_nothing_is_executed(bundle, tmp_path, content):
    path, trap = tmp_path / "theirs.pt", tmp_path / "trap"
    if content != "no file":
        found = {"code": Harmful(trap), "other tensors": {"w": torch.zeros(1)}, "no state dict": [1, 2]}[content]
        torch.save(found, path)
    with pytest.raises(BundleError) as caught:
        bundle_from_checkpoint(path, tmp_path / "made", like=bundle, site="elsewhere")
    assert not trap.exists() and not (tmp_path / "made").exists()
    assert str(path) in str(caught.value) and caught.value.remedy
