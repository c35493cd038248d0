"""What is shipped: CMake lists, catalogue entry, requirements, icons, licence."""

from __future__ import annotations

import json
import re
import struct

import pytest
from static_helpers import LIBRARY, MODULES, ROOT, cmake_list, imported_roots, parse, python_files

BUNDLED = {"numpy", "scipy", "SimpleITK", "pydicom", "highdicom", "vtk", "requests", "PIL", "packaging"}
# Asked for by name in the step that needs them, never installed by the extension.
OPTIONAL = {"torch", "nvflare", "cryptography", "matplotlib", "pyezzi", "psutil"}
ACCEPTED_LICENCES = ("LICENSE", "LICENCE", "License.txt", "license.txt", "LICENSE.txt", "COPYING", "COPYING.txt")


def requirement_names(text: str) -> set[str]:
    """Return the package names of a requirements file."""
    lines = [line.split("#")[0].strip() for line in text.splitlines()]
    return {re.split(r"[<>=!~\[; ]", line)[0] for line in lines if line}


@pytest.mark.parametrize("module", MODULES)
def test_every_python_file_of_a_module_is_in_its_cmake_list(module):
    folder = ROOT / module
    listed = cmake_list((folder / "CMakeLists.txt").read_text(), "MODULE_PYTHON_SCRIPTS")
    listed = [entry.replace("${MODULE_NAME}", module) for entry in listed]
    found = [path.relative_to(folder).as_posix() for path in python_files(folder)]
    missing = "".join(f"\n  {path}" for path in sorted(set(found) - set(listed)))
    gone = "".join(f"\n  {path}" for path in sorted(set(listed) - set(found)))
    assert not missing, f"add to MODULE_PYTHON_SCRIPTS in {module}/CMakeLists.txt:{missing}"
    assert not gone, f"remove from MODULE_PYTHON_SCRIPTS in {module}/CMakeLists.txt:{gone}"
    assert listed[1:] == sorted(listed[1:]), f"sort MODULE_PYTHON_SCRIPTS in {module}/CMakeLists.txt"


@pytest.mark.parametrize("module", MODULES)
def test_every_resource_of_a_module_is_in_its_cmake_list(module):
    folder = ROOT / module
    listed = cmake_list((folder / "CMakeLists.txt").read_text(), "MODULE_PYTHON_RESOURCES")
    found = sorted(path.relative_to(folder).as_posix() for path in (folder / "Resources").rglob("*") if path.is_file())
    assert listed == found, f"MODULE_PYTHON_RESOURCES of {module} should be:\n  " + "\n  ".join(found)


@pytest.mark.parametrize("module", MODULES)
def test_requirements_name_no_torch_pin_nothing_and_agree_with_the_project(module):
    text = (ROOT / module / "Resources" / "requirements.txt").read_text()
    names = requirement_names(text)
    assert "torch" not in names
    assert "==" not in text
    project = (ROOT / "pyproject.toml").read_text()
    for line in text.splitlines():
        if line and not line.startswith("#"):
            assert f'"{line}"' in project, f"{line} differs from pyproject.toml"
    assert not names & {name.lower() for name in BUNDLED}, "Slicer bundles these"


def test_the_library_needs_nothing_that_is_neither_bundled_nor_required():
    required = requirement_names((ROOT / "LVMTransfer" / "Resources" / "requirements.txt").read_text())
    import sys

    known = BUNDLED | OPTIONAL | required | set(sys.stdlib_module_names) | {"LVMLib"}
    for path in python_files(LIBRARY):
        unknown = set(imported_roots(parse(path), everywhere=True)) - known
        assert not unknown, f"{path.relative_to(ROOT)} imports {sorted(unknown)}"


def test_the_catalogue_entry_agrees_with_the_top_cmake_file():
    (entry_path,) = ROOT.glob("*.json")
    entry = json.loads(entry_path.read_text())
    text = (ROOT / "CMakeLists.txt").read_text()
    assert re.search(r"project\((\w+)\)", text).group(1) == entry_path.stem
    assert entry["category"] == "Cardiac"
    assert set(entry) <= {
        "$schema", "build_dependencies", "build_subdirectory", "category", "scm_revision", "scm_type", "scm_url",
        "enabled", "tier", "dicom_support_rule",
    }  # fmt: skip
    assert not entry_path.stem.lower().startswith("slicer")
    repository = entry["scm_url"].removesuffix(".git").rsplit("/", 1)[1]
    assert re.match(r"Slicer(Extension)?[-_]?\w", repository)
    depends = re.search(r"set\(EXTENSION_DEPENDS (.*?)\)", text).group(1).split()
    assert depends == entry["build_dependencies"]
    assert b"\r" not in entry_path.read_bytes()


def test_the_top_cmake_file_has_what_the_catalogue_reads():
    text = (ROOT / "CMakeLists.txt").read_text()
    assert re.search(r'set\s*\(EXTENSION_ICONURL\s*"[^"]+\.png"[ ]*\)', text)
    screenshots = re.search(r'set\s*\(EXTENSION_SCREENSHOTURLS\s*"([^"]+)"\)', text).group(1).split()
    assert len(screenshots) >= 1
    assert all(url.endswith((".png", ".jpg", ".jpeg", ".gif")) for url in screenshots)
    assert "## NEXT_MODULE" in text
    for module in MODULES:
        assert f"add_subdirectory({module})" in text


@pytest.mark.parametrize("module", MODULES)
def test_icons_are_png_of_128_pixels(module):
    data = (ROOT / module / "Resources" / "Icons" / f"{module}.png").read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", data[16:24]) == (128, 128)


def test_there_is_an_apache_licence():
    (licence,) = [ROOT / name for name in ACCEPTED_LICENCES if (ROOT / name).is_file()]
    assert "Apache License" in licence.read_text()
    assert "Apache-2.0" in (ROOT / "CITATION.cff").read_text()
