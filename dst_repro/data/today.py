"""What data sets are today, for records that were made of them: the SHA-256 of their parts.

Nothing is downloaded for it, and nothing read twice: sums are kept in the cache, by the names, sizes and times of the
files that they are of, and the source that reads them.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from dst_repro.data.fetch import data_root
from dst_repro.data.known import FOLDERS
from dst_repro.errors import UserError
from dst_repro.files import cache_folder, write_json
from dst_repro.plan.catalogue import look_up
from dst_repro.plan.config import RunConfig
from dst_repro.plan.fingerprint import source_of

Sums = Mapping[str, str]
"""Part (train, test) -> SHA-256, as records have it."""

CHANGED = "its data set was changed since"


def state(run: RunConfig) -> str | None:
    """A name for the files of a run's data set as they are; None where there are none, or none that a user changes.

    They lie where `FOLDERS` says, or in a file or folder that a parameter of the data set called `path` names.
    """
    place = FOLDERS.get(run.dataset, run.dataset_params.get("path"))
    if not isinstance(place, str):
        return None
    where = data_root().resolve() / place
    files = sorted(_files(where))
    if not files:
        return None
    reader = source_of(look_up("dataset", run.dataset)["module"])
    about = [run.dataset, run.dataset_params, reader, os.fsencode(where).hex(), files]
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()


def _files(where: Path) -> list[tuple[str, int, int]]:
    """(name, size, time of its last change) of a file, or of all in a folder."""
    paths = (
        [str(where)]
        if where.is_file()
        else [os.path.join(at, name) for at, _, ns in os.walk(where, followlinks=True) for name in ns]
    )
    found = []
    for path in paths:
        with contextlib.suppress(OSError):  # removed meanwhile
            about = os.stat(path)
            found.append((os.fsencode(path).hex(), about.st_size, about.st_mtime_ns))
    return found


def digest(sums: Sums) -> str:
    """Eight hex digits for the sums of all parts."""
    return hashlib.sha256(json.dumps(dict(sums), sort_keys=True).encode()).hexdigest()[:8]


class Today:
    """The data sets as they are when this is asked first. One is made for each call, and looks at each once."""

    def __init__(self) -> None:
        self._known: dict[str, Sums | None] = {}
        self.refused: dict[str, str] = {}
        """Data set and parameters -> why its files can't be read, in one line. Records are not compared with such."""

    def sums(self, run: RunConfig) -> Sums | None:
        """Those of a run's data set; None where it is not there, or refused."""
        key = json.dumps([run.dataset, run.dataset_params], sort_keys=True)
        if key not in self._known:
            self._known[key] = self._sums(run)
        return self._known[key]

    def changed(self, run: RunConfig, recorded: Sums | None) -> bool:
        """Whether the data set of a run is another one than was recorded; one that is not there is no other."""
        found = self.sums(run) if recorded is not None else None
        return found is not None and dict(found) != dict(recorded or {})

    def _sums(self, run: RunConfig) -> Sums | None:
        now = state(run)
        if now is None:
            return None
        kept = _kept(now)
        if kept is not None:
            return kept
        from dst_repro.data.base import source  # imports torch

        try:
            found = source(run.dataset, run.dataset_params)
            sums = {"train": found.train.sha256(), "test": found.test.sha256()}
        except (UserError, OSError) as error:
            self.refused[json.dumps([run.dataset, run.dataset_params], sort_keys=True)] = str(error)
            return None
        keep(run, now, sums)
        return sums


def _path(name: str) -> Path:
    return cache_folder() / "data" / f"{name}.json"


def _kept(name: str) -> Sums | None:
    try:
        loaded = json.loads(_path(name).read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(loaded, dict) or loaded.keys() != {"train", "test"}:
        return None
    return loaded if all(isinstance(value, str) for value in loaded.values()) else None


def keep(run: RunConfig, before: str | None, sums: Sums) -> None:
    """Remember the sums of what was read when its state was `before`, unless files have changed meanwhile."""
    if before is not None and before == state(run):
        with contextlib.suppress(OSError):
            write_json(_path(before), dict(sums))
