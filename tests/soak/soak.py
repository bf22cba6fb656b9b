"""A suite under faults at random moments: killed, damaged, out of space, and each time called again.

What is chosen comes from a seed; at which instruction a process dies is the machine's choice.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import resource
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from dst_repro.errors import UserError
from dst_repro.records import record
from tests.soak.calls import PATIENCE, Calls, Process, trainings, wait
from tests.soak.damage import PLACES, WAYS, candidates, damage, edit, remove
from tests.soak.figures import Figures
from tests.soak.suite import CHILDREN, Disk, SoakProject

ROUNDS = 12
"""Calls after one fault at most."""

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
FOLDER = re.compile(r"(?:results/runs/)?([a-z0-9.-]+-s\d+-[0-9a-f]{10})(?:/record\.json)?: .*remove its folder")
PLACE = re.compile(r"(\S+): is a (?:file|folder), where .*; remove it")
TOLD = re.compile(r"^dst_repro: (.*)$", flags=re.M)
BROKEN = re.compile(r"^(\S+)  broken: (.*remove its folder.*)$", flags=re.M)

Sound = dict[str, int]
"""Run -> when it was trained, of all whose record and history can be read."""


class Fault(NamedTuple):
    """How often among all, what does it (and returns whether it could), whether something must be left to train.

    In a shuffled order, each comes as often as it says before any comes again.
    """

    what: str
    how: str
    often: int
    inject: Callable[[], bool]
    in_training: bool = False


@contextlib.contextmanager
def soaking(folder: Path, seed: int, say: Callable[[str], object] = print) -> Iterator[Soak]:
    """All that it mounts in `folder`, and all that it starts, is gone afterwards."""
    with Disk(folder / "disturbed") as disk, Calls() as calls:
        yield Soak(folder, disk, calls, seed, say)


class Soak:
    """One project, its undisturbed twin, and what is done to the former. `say` gets a line for each fault."""

    def __init__(self, folder: Path, disk: Disk, calls: Calls, seed: int, say: Callable[[str], object]) -> None:
        self.rng, self.say, self.figures = random.Random(seed), say, Figures(seed)
        self.disk, self.calls, self.said = disk, calls, folder / "said.log"
        (folder / "undisturbed").mkdir()
        undisturbed = SoakProject(folder / "undisturbed", folder / "cache")
        self.project = SoakProject(disk.folder, folder / "cache")
        began = time.monotonic()
        process = calls.start(undisturbed, self.said)
        calls.end(process)
        self.pace = 0.3 * (time.monotonic() - began)
        """Seconds into a call until which kills come; it follows how fast the machine is."""
        if process.returncode:
            raise RuntimeError(f"undisturbed, the suite fails: {self._last_words()}")
        self.right = undisturbed.made()
        self.runs = sorted(undisturbed.records())
        self.figures.runs = len(self.runs)

    @property
    def faults(self) -> list[Fault]:
        found = []
        for number in SIGNALS:
            found += [
                Fault("everything killed", number.name, 12, partial(self._kill, number), True),
                Fault("one training killed", number.name, 4, partial(self._kill_one, number), True),
            ]
        for place in PLACES:
            for how in WAYS:
                found.append(
                    Fault(f"{place} damaged", how, 1, partial(self._damage, place, how), place == "checkpoint")
                )
        return [
            *found,
            Fault("record edited", "", 2, self._edit),
            Fault("records removed", "", 1, self._remove_runs),
            Fault("frames removed", "", 1, self._remove_frames),
            Fault("disk full", "", 4, self._full_disk, True),
            Fault("caches that can't be written", "", 1, self._no_cache, True),
        ]

    def run(self, faults: int, minutes: float, kills: int = 0) -> Figures:
        """Inject so many faults and among them so many kills, or as many as the time allows.

        Then see what has become of the suite.
        """
        began = time.monotonic()
        bag: list[Fault] = []
        done = killed = 0
        while (done < faults or killed < kills) and time.monotonic() - began < 60 * minutes:
            if not bag:
                bag = [fault for fault in self.faults for _ in range(fault.often)]
                self.rng.shuffle(bag)
            fault = bag.pop()
            if fault.in_training and len(self._sound()) == len(self.runs):
                self._take_away(self.rng.sample(self.runs, 4))
            injected = fault.inject()
            done += injected
            if "killed" in fault.what:
                killed += injected
                self.pace *= 1.05 if injected else 0.6
            self.figures.faults[fault.what, fault.how] += injected
            name = f"{fault.what}: {fault.how}" if fault.how else fault.what
            late = "" if injected else ", came too late"
            self.say(f"{time.monotonic() - began:6.0f} s  {done}/{faults}, {killed} kills  {name}{late}")
        self._settle()
        self.figures.minutes = (time.monotonic() - began) / 60
        made = self.project.made()
        self.figures.wrong |= {name for name in self.right.keys() | made if self.right.get(name) != made.get(name)}
        self.figures.lost |= set(self.runs) - self._sound().keys()
        return self.figures

    # faults; each returns whether it could be done

    def _kill(self, number: signal.Signals) -> bool:
        """Snakemake and all that it started, as a terminal or a scheduler does it."""
        process, before = self._start()
        done = not wait(process, self.rng.uniform(0.05, 1.0) * self.pace)
        if done:
            os.killpg(process.pid, number)
        self._end(process, before)
        return done

    def _kill_one(self, number: signal.Signals) -> bool:
        """A training alone, as the kernel does it that is out of memory; the others go on."""
        process, before = self._start()
        done = False
        due = time.monotonic() + self.rng.uniform(0.05, 1.0) * self.pace
        while not done and not wait(process, 0.01) and time.monotonic() < due + PATIENCE:
            found = trainings(process.pid) if time.monotonic() > due else []
            if found:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.rng.choice(found), number)
                    done = True
        self._end(process, before)
        return done

    def _damage(self, place: str, how: str) -> bool:
        if place == "checkpoint":
            self._kill_when_there_are_checkpoints(2 if how == "swapped" else 1)
        files = candidates(self.project.folder, place)
        path = damage(files, how, self.rng)
        if place == "network of a parent":  # to be noticed, it has to be needed
            self._take_away([run for run in self.runs if any(word in run for word in CHILDREN)])
        self._settle()
        return path is not None

    def _edit(self) -> bool:
        files = candidates(self.project.folder, "record")
        if not files:
            return False
        edit(self.rng.choice(files), self.rng)
        told = self.figures.told
        self._settle()
        if self.figures.told == told:
            self.figures.troubles.append("an edited record was not told")
        return True

    def _remove_runs(self) -> bool:
        for run in self.rng.sample(self.runs, 2):
            remove(record.folder(self.results, run) / self.rng.choice(["", "record.json", "history.parquet"]))
        self._settle()
        return True

    def _remove_frames(self) -> bool:
        files = list(self.project.folder.glob("results/tiny/*.parquet"))
        for path in files:
            path.unlink()
        self._settle()
        return bool(files)

    def _full_disk(self) -> bool:
        """No space but for some kB; where there is no disk to fill, no file longer than that."""
        room = self.rng.choice([0, 30_000, 300_000, 1_000_000])
        limit = max(room, 20_000)
        if self.disk.mounted:
            self.disk.fill(room)
            process, before = self._start()
        else:
            process, before = self._start(limit=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
        self._end(process, before)
        self.disk.free()
        self._settle()
        return process.returncode != 0

    def _no_cache(self) -> bool:
        """A file where the folder of our caches should be, for one whole call; Snakemake keeps the one it needs."""
        nowhere = self.said.with_name("nowhere")
        nowhere.mkdir(exist_ok=True)
        (nowhere / "dst_repro").write_bytes(b"")
        compiled = str(nowhere / "dst_repro/compiled")
        process, before = self._start({"XDG_CACHE_HOME": str(nowhere), "TORCHINDUCTOR_CACHE_DIR": compiled})
        self._end(process, before)
        if process.returncode and not self._mend(self.said.read_text(errors="replace")):
            self.figures.troubles.append(f"without caches a call failed: {self._last_words()}")
        return True

    def _kill_when_there_are_checkpoints(self, number: int) -> None:
        process, before = self._start()
        while len(candidates(self.project.folder, "checkpoint")) < number and not wait(process, 0.01):
            pass
        if not wait(process, self.rng.uniform(0.0, 0.1)):
            os.killpg(process.pid, signal.SIGKILL)
        self._end(process, before)

    def _take_away(self, runs: list[str]) -> None:
        for run in runs:
            remove(record.folder(self.results, run))

    # calls, and what they may change

    @property
    def results(self) -> Path:
        return self.project.path("results")

    def _start(self, more: dict[str, str] | None = None, limit: Callable[[], object] = int) -> tuple[Process, Sound]:
        """A call, and what was sound before it."""
        self.figures.calls += 1
        before = self._sound()
        return self.calls.start(self.project, self.said, more, limit), before

    def _end(self, process: Process, before: Sound) -> None:
        """Wait for it. No sound run may be gone or trained again, and each says what the undisturbed one says."""
        trouble = self.calls.end(process)
        if trouble:
            self.figures.troubles.append(trouble)
        now = self._sound()
        self.figures.lost |= before.keys() - now.keys()
        for run, when in now.items():
            self.figures.needless[run] += run in before and before[run] != when
            for name in ("record.json", "history.parquet"):
                path = f"results/runs/{run}/{name}"
                if self.project.path(path).read_bytes() != self.right[path]:
                    self.figures.wrong.add(path)

    def _sound(self) -> Sound:
        found: Sound = {}
        for run in self.runs:
            with contextlib.suppress(UserError, OSError):
                if record.read(self.results, run, lambda line: None) is not None:
                    found[run] = (record.folder(self.results, run) / "runtime.json").stat().st_mtime_ns
        return found

    def _settle(self) -> None:
        """Call until all is made and sound, doing what the calls say is to be done."""
        for _ in range(ROUNDS):
            process, before = self._start()
            self._end(process, before)
            mended = self._mend(self.said.read_text(errors="replace"))
            mended |= self._mend(self.project.call("-m", "dst_repro", "status", "--all").stdout)
            if process.returncode == 0 and not mended:
                return
        self.figures.troubles.append(f"no end of it: {self._last_words()}")

    def _mend(self, said: str) -> bool:
        """Do what lines say; whether one did."""
        lines = {f"{run}: {what}" for run, what in BROKEN.findall(said)} | set(TOLD.findall(said))
        todo = set()
        for line in lines:
            if found := FOLDER.match(line):
                todo.add(record.folder(self.results, found[1]))
            elif found := PLACE.match(line):
                todo.add(self.project.path(found[1]))
        for path in todo:
            self.figures.told += 1
            remove(path)
        return bool(todo)

    def _last_words(self) -> str:
        said = self.said.read_text(errors="replace")
        return " / ".join(TOLD.findall(said)[-3:]) or " ".join(said[-600:].split())
