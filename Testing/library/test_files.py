"""Files that are whole or absent, also where several writers share a folder."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from LVMLib.errors import StorageError
from LVMLib.files import atomic_folder, write_json


def test_a_file_that_fails_leaves_neither_itself_nor_the_folders_that_were_made_for_it(tmp_path):
    with pytest.raises(TypeError):
        write_json(tmp_path / "new" / "deep" / "a.json", object())
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_of_a_folder_is_named(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(StorageError, match="taken") as caught:
        write_json(tmp_path / "taken" / "a.json", 1)
    assert "choose another" in str(caught.value).lower()
    assert (tmp_path / "taken").read_text() == ""


def test_a_new_folder_that_a_failing_neighbour_takes_away_is_made_again(tmp_path, monkeypatch):
    neighbours = [1, 2]
    make = tempfile.mkdtemp

    def interfered(*, prefix: str, dir: Path) -> str:
        if neighbours:
            neighbours.pop()
            dir.rmdir()
        return make(prefix=prefix, dir=dir)

    monkeypatch.setattr(tempfile, "mkdtemp", interfered)
    with atomic_folder(tmp_path / "shared" / "mine") as temporary:
        (temporary / "file").write_text("x")
    assert (tmp_path / "shared" / "mine" / "file").read_text() == "x"
    assert not neighbours
