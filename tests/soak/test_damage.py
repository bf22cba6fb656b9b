"""What the soak does to files is what it says."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from tests.soak.damage import PLACES, WAYS, candidates, damage, edit, remove

CONTENTS = (b"first " * 9, b"second" * 9)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / name for name in ("a", "b")]
    for path, content in zip(paths, CONTENTS, strict=True):
        path.write_bytes(content)
    return paths


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("seed", range(5))
def test_damage(files: list[Path], how: str, seed: int) -> None:
    path = damage(files, how, random.Random(seed))
    assert path in files
    (other,) = set(files) - {path}
    before, of_other = CONTENTS[files.index(path)], CONTENTS[files.index(other)]
    assert other.read_bytes() == (before if how == "swapped" else of_other)
    match how:
        case "a flipped bit":
            differing = [a ^ b for a, b in zip(path.read_bytes(), before, strict=True) if a != b]
            assert [byte.bit_count() for byte in differing] == [1]
        case "truncated":
            assert len(path.read_bytes()) < len(before)
            assert before.startswith(path.read_bytes())
        case "zeros":
            assert path.read_bytes() == bytes(54)
        case "swapped":
            assert path.read_bytes() == of_other
        case "a folder in its place":
            assert path.is_dir()
            remove(path)
            assert not path.exists()


def test_what_has_no_other_can_not_be_swapped(files: list[Path]) -> None:
    assert damage(files[:1], "swapped", random.Random(0)) is None
    assert damage([], "zeros", random.Random(0)) is None
    assert files[0].read_bytes() == CONTENTS[0]


def test_an_edit_makes_the_accuracy_better_and_leaves_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.write_text(json.dumps({"id": "x", "metrics": {"last": {"test_accuracy": 0.5, "epoch": 3}}}))
    edit(path, random.Random(0))
    content = json.loads(path.read_text())
    assert 0.99 <= content["metrics"]["last"].pop("test_accuracy") <= 1.0
    assert content == {"id": "x", "metrics": {"last": {"epoch": 3}}}


def test_files_of_every_kind_are_found(tmp_path: Path) -> None:
    for pattern in PLACES.values():
        path = tmp_path / pattern.replace("*", "x")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    (tmp_path / "results/.checkpoints/folder.pt").mkdir()
    for place, pattern in PLACES.items():
        assert candidates(tmp_path, place) == [tmp_path / pattern.replace("*", "x")]
