"""What can become of a file while nobody looks: one bit, half of it, zeros, another's, a folder, an edit, nothing."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

PLACES = {
    "checkpoint": "results/.checkpoints/*.pt",
    "network of a parent": "results/states/*.safetensors",
    "history": "results/runs/*/history.parquet",
    "record": "results/runs/*/record.json",
}
"""Kind of file -> where such files are."""

WAYS = ("a flipped bit", "truncated", "zeros", "swapped", "a folder in its place")


def candidates(project: Path, place: str) -> list[Path]:
    return sorted(path for path in project.glob(PLACES[place]) if path.is_file())


def damage(files: list[Path], how: str, rng: random.Random) -> Path | None:
    """Damage one of some files of a kind; which one, or None where that can't be done."""
    if not files:
        return None
    path = rng.choice(files)
    content = bytearray(path.read_bytes())
    match how:
        case "a flipped bit":
            content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
            path.write_bytes(content)
        case "truncated":
            path.write_bytes(content[: rng.randrange(len(content))])
        case "zeros":
            path.write_bytes(bytes(len(content)))
        case "swapped":
            others = [other for other in files if other.read_bytes() != content]
            if not others:
                return None
            other = rng.choice(others)
            path.write_bytes(other.read_bytes())
            other.write_bytes(content)
        case "a folder in its place":
            path.unlink()
            path.mkdir()
            (path / "something").write_bytes(b"x")
        case _:
            raise ValueError(how)
    return path


def edit(path: Path, rng: random.Random) -> None:
    """A record with a better accuracy than the run had, as somebody might write it there."""
    content = json.loads(path.read_bytes())
    content["metrics"]["last"]["test_accuracy"] = rng.uniform(0.99, 1.0)
    path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")


def remove(path: Path) -> None:
    """Whatever it is."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
