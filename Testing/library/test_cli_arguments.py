"""Wrong arguments, altered bundles, folders that must not be replaced: refused in one line; JSON is alone."""

import json
import shutil
from pathlib import Path

import pytest
from cli_helpers import cohort_folder, image_file, refused, run, said, snapshot, untrained_bundle
from learning_helpers import ball_pair
from LVMLib.cli.main import _leaves, build_parser
from LVMLib.cli.model_commands import bundle_names


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    return untrained_bundle(tmp_path_factory.mktemp("model") / "bundle")


def test_every_argument_of_every_command_says_what_it_is():
    bare = [
        f"{leaf.prog} {action.dest}" for leaf in _leaves(build_parser()) for action in leaf._actions if not action.help
    ]
    assert bare == []


def test_two_models_of_one_folder_name_stay_two(bundle, tmp_path):
    names = bundle_names([tmp_path / "run-1" / "best", tmp_path / "run-2" / "best", tmp_path / "Site1"])
    assert list(names.values()) == [tmp_path / "run-1" / "best", tmp_path / "run-2" / "best", tmp_path / "Site1"]
    assert {"run-1/best", "run-2/best"} < set(names)


@pytest.mark.parametrize("name", ["model.safetensors", "README.md", "bundle.json"])
def test_a_bundle_with_a_changed_byte_is_refused_by_every_command(name, bundle, tmp_path, capfd):
    altered = tmp_path / "altered"
    shutil.copytree(bundle, altered)
    content = bytearray((altered / name).read_bytes())
    content[-3] ^= 1
    (altered / name).write_bytes(content)
    shutil.copytree(altered, tmp_path / "run" / "best")
    image, out = image_file(tmp_path / "heart.nii.gz"), tmp_path / "out"
    for arguments in (
        ("model", "verify", altered),
        ("model", "card", altered),
        ("model", "pack", tmp_path / "run", out),
        ("segment", image, tmp_path / "labels.nii.gz", "--model", altered),
    ):
        assert name in refused(capfd, *arguments)
    assert not out.exists()


def test_a_file_that_no_manifest_lists_is_named_when_a_bundle_is_verified_and_a_signature_is_not(
    bundle, tmp_path, capfd
):
    given = tmp_path / "given"
    shutil.copytree(bundle, given)
    (given / "bundle.json.sig").write_bytes(b"signature")
    assert run("model", "verify", given) == 0
    capfd.readouterr()
    (given / "notes").mkdir()
    (given / "notes" / "run_me.py").write_text("print()")
    (given / "old.pt").write_bytes(b"")
    line = refused(capfd, "model", "verify", given)
    assert "notes/run_me.py, old.pt" in line.replace("\\", "/") and "bundle.json lists" in line


@pytest.mark.parametrize("what", ["cohort", "file"])
def test_pack_never_replaces_what_is_no_bundle(what, bundle, tmp_path, capfd):
    shutil.copytree(bundle, tmp_path / "run" / "best")
    cohort_folder(tmp_path / "cohort")
    (tmp_path / "file").write_text("notes")
    before = snapshot(tmp_path)
    assert str(tmp_path / what) in refused(capfd, "model", "pack", tmp_path / "run", tmp_path / what)
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize(
    "arguments",
    [
        (), ("nonsense",), ("import",), ("model",), ("thickness", "mask.nii.gz", "--out", "x", "--phase", "first"),
        ("export", "c", "p", "--spacing", "0"), ("export", "c", "p", "--spacing", "nan"),
        ("export", "c", "p", "--test", "-1"),
        ("phantom", "c", "--site", "3", "--cases", "1"), ("phantom", "c", "--site", "1", "--cases", "0"),
        ("phantom", "c", "--site", "1", "--cases", "1", "--spacing", "-3"),
        ("finetune", "p", "--out", "r"), ("finetune", "p", "--random-init", "--out", "r", "--epochs", "0"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_wrong_arguments_end_with_one_line_that_names_the_help(arguments, as_json, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    assert "--help" in refused(capfd, *arguments, *(["--json"] if as_json else []))
    assert list(tmp_path.iterdir()) == []


def test_with_json_a_refusal_leaves_standard_output_empty_and_a_success_is_one_document(tmp_path, capfd):
    cohort_folder(tmp_path / "cohort")
    refused(capfd, "check", tmp_path / "cohort", "--reader", "nobody", "--json")
    assert run("check", tmp_path / "cohort", "--json") == 0
    captured = capfd.readouterr()
    assert "findings" in json.loads(captured.out) and said(captured.err) == []


def test_finetune_refuses_too_few_pairs_and_a_run_that_is_not_there(bundle, tmp_path, capfd):
    arguments = ("finetune", tmp_path / "pairs", "--from", bundle, "--out", tmp_path / "run", "--preset", "smoke")
    ball_pair(tmp_path / "pairs", "a", size=16, phases=2)
    assert "found 1 cases" in refused(capfd, *arguments)
    ball_pair(tmp_path / "pairs", "b", size=16, phases=2)
    assert "found 9 asked for" in refused(capfd, *arguments, "--cases", 9)
    assert "expected a run to resume" in refused(capfd, *arguments, "--resume")
    assert not (tmp_path / "run").exists()


def test_evaluate_refuses_a_split_that_is_empty_and_a_model_given_twice(bundle, tmp_path, capfd):
    for name in ("a", "b"):
        ball_pair(tmp_path / "pairs", name, size=16, phases=2)
    arguments = ("evaluate", tmp_path / "pairs", "--out", tmp_path / "report", "--model", bundle)
    assert "none of them for test" in refused(capfd, *arguments)
    assert "each model once" in refused(capfd, *arguments, "--model", f"{bundle}/", "--split", "all")
    assert not (tmp_path / "report").exists()
