"""What Python can reach of the CTK and Slicer widget classes, read from the committed ``qt_subset.json``."""

from __future__ import annotations

import json
import sys
from functools import cache
from pathlib import Path

SUBSET = Path(__file__).with_name("qt_subset.json")
KEPT = ("bases", "constructors", "designer_plugin", "enums", "flags", "header", "invokable", "methods", "module")
USED = (
    "ctkCollapsibleButton",
    "ctkMessageBox",
    "ctkPathLineEdit",
    "ctkSliderWidget",
    "qMRMLNodeComboBox",
    "qMRMLSegmentSelectorWidget",
    "qMRMLSequenceBrowserPlayWidget",
    "qMRMLSequenceBrowserSeekWidget",
    "qMRMLSliceWidget",
    "qMRMLTableView",
    "qMRMLWidget",
    "qSlicerApplication",
    "qSlicerLayoutManager",
    "qSlicerScriptedLoadableModule",
    "qSlicerScriptedLoadableModuleWidget",
)


@cache
def classes() -> dict[str, dict]:
    """Return class name to its entry."""
    return json.loads(SUBSET.read_text(encoding="utf-8"))["classes"]


@cache
def lineage(name: str) -> tuple[str, ...]:
    """Return the class and its bases in lookup order, Qt's own classes included."""
    found, queue = [], [name]
    while queue:
        current = queue.pop(0)
        if current not in found:
            found.append(current)
            queue = classes().get(current, {}).get("bases", []) + queue
    return tuple(found)


def find(name: str, kind: str, member: str) -> object | None:
    """Return the entry of ``member`` among ``kind`` ("properties", "methods", "signals") of a class or its bases."""
    for owner in lineage(name):
        entry = classes().get(owner, {}).get(kind, {})
        if member in entry:
            return entry[member]
    return None


def enum_keys(name: str) -> set[str]:
    """Return the enum and flag keys that are class attributes."""
    keys: set[str] = set()
    for owner in lineage(name):
        for kind in ("enums", "flags"):
            for values in classes().get(owner, {}).get(kind, {}).values():
                keys.update(values)
    return keys


def compact(full: dict) -> dict:
    """Return the part of ``qt_api.json`` (``full``) that the stand-in needs: the used classes and their bases."""
    wanted, queue = {}, list(USED)
    while queue:
        name = queue.pop(0)
        if name in wanted or name not in full["classes"]:
            continue
        entry = full["classes"][name]
        wanted[name] = {key: entry[key] for key in KEPT if entry.get(key)}
        wanted[name]["properties"] = {
            key: {"type": value["type"], "write": value["write"]} for key, value in entry["properties"].items()
        }
        wanted[name]["signals"] = entry["signals"]
        queue.extend(entry["bases"])
    source = full["_source"]["slicer"]
    return {"slicer": f"{source['tag']} {source['commit']}", "classes": dict(sorted(wanted.items()))}


def write_subset(source: Path) -> None:
    """Rewrite ``qt_subset.json`` from a full ``qt_api.json``, one class a line."""
    value = compact(json.loads(source.read_text(encoding="utf-8")))
    rows = [f"  {json.dumps(key)}: {json.dumps(entry, sort_keys=True)}" for key, entry in value["classes"].items()]
    text = '{\n "slicer": ' + json.dumps(value["slicer"]) + ',\n "classes": {\n' + ",\n".join(rows) + "\n }\n}\n"
    SUBSET.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write_subset(Path(sys.argv[1]))
