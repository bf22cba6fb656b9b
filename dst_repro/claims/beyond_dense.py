"""Whether what tricks gain is a matter of sparse training."""

from __future__ import annotations

from collections import defaultdict

from dst_repro.claims.base import Answer, brief, everywhere, few, gaps, signs, used, when
from dst_repro.claims.trick_gains import Gain, TricksParams, both, mean_by_seed, trick_gains
from dst_repro.records.frames import Frames
from dst_repro.registry import claims
from dst_repro.statistics.paired import paired
from dst_repro.statistics.summary import summarise


@claims.register("gain-beyond-dense", TricksParams)
def gain_beyond_dense(frames: Frames, params: TricksParams) -> Answer:
    """Tricks gain more on sparse networks than on the dense one, at each sparsity

    Mean gain over masks less that of the dense network, seed by seed, for each network, data set and density. The
    statistic is the smallest mean difference, in points, with its interval.
    """
    known = [gain for gain in trick_gains(frames, params) if gain.tricks == params.tricks]
    dense = {(g.control.dataset, g.control.model): g for g in known if g.control.method == "dense"}
    groups: dict[tuple[str, str, float], list[Gain]] = defaultdict(list)
    for gain in known:
        if (key := (gain.control.dataset, gain.control.model)) in dense and gain.control.method != "dense":
            groups[*key, gain.density].append(gain)
    found = {key: paired(mean_by_seed(these), dense[key[:2]].by_seed) for key, these in groups.items()}
    counted = signs(list(found.values()))
    every = both([*dense.values(), *(gain for these in groups.values() for gain in these)])
    if not counted.cases:
        return Answer(
            "not run", f"no seed of a dense and a sparse network with and without {params.tricks} is finished"
        )
    smallest = min((one for one in found.values() if one.n), key=lambda one: one.mean)
    each = few([f"{dataset}, {model}, {100 * (1 - density):g} % {brief(one)}"
                for (dataset, model, density), one in found.items()])  # fmt: skip
    own = few([f"{summarise(gain.by_seed.values()).mean:+.2f}" for gain in dense.values()])
    text = f"gain less that of the dense network ({own} points): {counted.text}, needed in all ({each}); "
    return Answer(everywhere(list(found.values()), sum(one.n == 0 for one in found.values())),
                  text + when(every, params.selection) + gaps(every), smallest.mean, smallest.low, smallest.high, 0.0,
                  used(every))  # fmt: skip
