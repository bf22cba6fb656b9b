"""A method from outside of the package: RigL whose prune rate falls and begins again, as learning rates may do."""

import math

from pydantic import Field

from dst_repro.methods.rigl import RigL, RigLParams
from dst_repro.registry import methods


class RestartsParams(RigLParams):
    cycles: int = Field(default=3, ge=1)
    """How many times the prune rate falls to zero."""


@methods.register("rigl-restarts", RestartsParams, density=True)
class RigLRestarts(RigL):
    """RigL-restarts: RigL with warm restarts of the prune rate"""

    def rate(self, steps_done: int) -> float:
        cycle = math.ceil(self.context.fraction(self.params.update_end) / self.params.cycles)
        return super().rate(steps_done % cycle * self.params.cycles)
