"""What tricks gain, seed by seed, for rules about them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from dst_repro.claims.base import Judged
from dst_repro.claims.settings import rest
from dst_repro.records.frames import Frames
from dst_repro.records.ghosts import with_epochs
from dst_repro.statistics.paired import Paired, differences, paired
from dst_repro.statistics.summary import summarise
from dst_repro.tables.cells import Cell, cells
from dst_repro.tables.gains import GainsParams, gains
from dst_repro.tables.judging import Selection, accuracies


class TricksParams(Judged):
    tricks: str = "all"
    """Of which tricks the gain is asked, as a table of gains calls them."""
    whole: Annotated[tuple[str, ...], Field(strict=False)] = GainsParams().whole
    """The tricks that are called `all`."""
    selection: Selection = "best_without_ghosts"
    """The epoch by which a run is judged: the best on images held out of those in which neither it nor the run that it
    is compared with has ghosts. Without images held out there is none that is best on them: then the last."""


@dataclass(frozen=True)
class Gain:
    """A cell with tricks and its like without."""

    tricks: str
    treated: Cell
    control: Cell
    selection: str

    @property
    def found(self) -> Paired:
        """In points."""
        return difference(self.treated, self.control, self.selection)

    @property
    def by_seed(self) -> dict[int, float]:
        """In points."""
        with_ = accuracies(self.treated, self.selection, self.control)
        return differences(with_, accuracies(self.control, self.selection, self.treated))

    @property
    def density(self) -> float:
        """The target, a share; nan where there is none."""
        return float(self.treated.runs["density"].iloc[0])

    @property
    def name(self) -> str:
        cell = self.control
        return ", ".join(filter(None, (cell.dataset, cell.model, cell.method, cell.setting)))


def trick_gains(frames: Frames, params: TricksParams) -> list[Gain]:
    """All cells with tricks whose like without them is planned, in the order and by the names of the table of gains."""
    frames = Frames(with_epochs(frames), frames.history)
    known = {cell.id: cell for cell in cells(frames.runs, params.where)}
    of_run = {str(run): cell for cell in known.values() for run in cell.runs["id"]}
    without = {rest(cell, "tricks"): cell for cell in known.values() if rest(cell) == rest(cell, "tricks")}
    table = gains(frames, GainsParams(where=params.where, whole=params.whole))
    found = []
    for row in table.to_dict("records"):
        treated = of_run[f"{row['runs']} {row['left_out']}".split()[0]]
        found.append(Gain(str(row["tricks"]), treated, without[rest(treated, "tricks")], params.selection))
    return found


def difference(one: Cell, other: Cell, selection: str) -> Paired:
    """In points, seed by seed, each judged beside the other."""
    return paired(accuracies(one, selection, other), accuracies(other, selection, one))


def sparse(found: Iterable[Gain]) -> list[Gain]:
    return [gain for gain in found if gain.treated.method != "dense"]


def both(found: Iterable[Gain]) -> list[Cell]:
    """The cells with tricks and without, each once."""
    return list({cell.id: cell for gain in found for cell in (gain.treated, gain.control)}.values())


def mean_by_seed(found: Iterable[Gain]) -> dict[int, float]:
    """Seed -> mean gain in points, of the seeds that all have."""
    values = [gain.by_seed for gain in found]
    seeds = set.intersection(*map(set, values)) if values else set()
    return {seed: summarise(one[seed] for one in values).mean for seed in sorted(seeds)}
