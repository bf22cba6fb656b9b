"""A plug-in: dense training that stops after an epoch for as long as a test wants it to, and tells who trains."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Literal

from dst_repro.methods.base import Method
from dst_repro.registry import Params, methods

NOTES = Path("notes")


class HeldParams(Params):
    why: Literal["cancelled", "limited", "killed", "lost"] = "limited"


@methods.register("held", HeldParams)
class Held(Method):
    """held: dense training that is held for a test"""

    def after_step(self, step: int) -> None:
        why, job = self.params.why, os.environ["SLURM_JOB_ID"]
        with (NOTES / f"{why}.steps").open("a") as steps:
            steps.write(f"{job} {step}\n")
        if step == 2 * self.context.steps_per_epoch:
            if why == "lost":
                raise OSError("the disk is gone")
            (NOTES / f"{why}.job").write_text(job)
            while (NOTES / f"{why}.hold").exists():
                time.sleep(0.1)
