"""Whether masks that change do better than a mask that does not."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from dst_repro.claims.base import Answer, Judged, brief, gaps, mostly, overall, signs, used, when
from dst_repro.claims.settings import CRITERIA, Treatments, rest
from dst_repro.errors import UserError
from dst_repro.records.frames import Frames
from dst_repro.registry import claims
from dst_repro.statistics.paired import differences, paired
from dst_repro.tables import fields
from dst_repro.tables.cells import Cell, cells
from dst_repro.tables.judging import accuracies as of
from dst_repro.words import how_many


class StaticParams(Judged):
    treatment: str = "method_params.drop"
    treatments: Treatments = CRITERIA
    """The values of that field that count."""
    control: str = "static"
    """The method whose runs are the control: those that are alike but for the method and its parameters."""
    share: Annotated[float, Field(gt=0, le=1)] = 0.9
    """Of the cells, whose mean difference has to be above zero."""
    largest: str | None = None
    """A numeric field: of cells that differ in it alone only those with its largest value count."""


@claims.register("beats-static", StaticParams)
def beats_static(frames: Frames, params: StaticParams) -> Answer:
    """Nearly everywhere every criterion is above the static mask of the same density

    Differences seed by seed. A share of their means has to be above zero, and their median over cells with its 95 %
    interval over seeds; none may be significantly below after Holm's correction. One that is decides against it, or
    fewer and a median that lies below zero with its interval; else neither is shown. The statistic is that share.
    """
    known = cells(frames.runs, params.where)
    controls: dict[str, Cell] = {}
    for cell in (cell for cell in known if cell.method == params.control):
        if controls.setdefault(key := _alike(cell), cell) is not cell:
            raise UserError(f"two cells are '{params.control}' at {controls[key].setting}: choose by `where`")
    treated = [cell for cell in known if cell.field(params.treatment) in params.treatments]
    if params.largest:
        treated = _largest(treated, params.largest)
    pairs = [(cell, controls.get(_alike(cell))) for cell in treated]
    both = [(cell, control) for cell, control in pairs if control]
    found = [paired(of(cell, params.selection), of(control, params.selection)) for cell, control in both]
    tested = signs(found)
    unknown = len(treated) - tested.cases
    every = list({cell.id: cell for pair in both for cell in pair}.values())
    if not tested.cases:
        return Answer("not run", f"no seed of a mask that changes and of {params.control} is finished{gaps(every)}")
    whole = overall([differences(*(of(one, params.selection) for one in pair)) for pair in both])
    lowest, where = min(((one.mean, cell) for one, (cell, _) in zip(found, both, strict=True) if one.n),
                        key=lambda one: one[0])  # fmt: skip
    below = sum(one.high < 0 for one in found)
    text = f"difference to {params.control}: {tested.text}, {below} below by their own intervals; needed "
    text += f"{100 * params.share:g} % and none significantly below, and their median above 0: "
    text += f"{brief(whole)} points; lowest {lowest:+.2f} points "
    text += f"({where.dataset}, {where.model}, {where.setting}); {when(every, params.selection)}"
    text += f"; {how_many(unknown, 'cell')} unknown" if unknown else ""
    return Answer(mostly(found, whole, params.share, unknown), text + gaps(every), tested.up / tested.cases,
                  threshold=params.share, runs=used(every))  # fmt: skip


def _alike(cell: Cell) -> str:
    return rest(cell, "method", "method_params")


def _largest(known: list[Cell], field: str) -> list[Cell]:
    found: dict[str, Cell] = {}
    for cell in known:
        key = rest(cell, field)
        if key not in found or (fields.number(cell, field) or 0) > (fields.number(found[key], field) or 0):
            found[key] = cell
    return list(found.values())
