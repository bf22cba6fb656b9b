"""Whether a Slurm of one node can be started here, and Debian's packages of it."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from pathlib import Path

PACKAGES = ("slurmctld", "slurmd", "slurm-client", "munge")
PROGRAMS = ("slurmctld", "slurmd", "sbatch", "munged")
PLUGINS = ("snakemake_executor_plugin_slurm", "snakemake_executor_plugin_cluster_generic")
CONF = Path("/etc/slurm/slurm.conf")
"""The one place where the steps of a job look for it."""
CLUSTER = "dst-repro-test"


def there() -> bool:
    return all(shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") for program in PROGRAMS)


def install() -> str | None:
    """Install the packages; returns why that is impossible."""
    if shutil.which("apt-get") is None:
        return "there is no apt-get"
    quiet = {"env": os.environ | {"DEBIAN_FRONTEND": "noninteractive"}, "capture_output": True, "text": True}
    for command in (["update"], ["install", "--yes", "--no-install-recommends", *PACKAGES]):
        try:
            done = subprocess.run(["apt-get", *command], timeout=120, **quiet)  # type: ignore[call-overload]
        except subprocess.TimeoutExpired:
            return f"apt-get {command[0]} took longer than two minutes"
        if done.returncode:
            return f"apt-get {command[0]} failed: {(done.stderr.strip().splitlines() or ['no reason given'])[-1]}"
    return None


def obstacle() -> str | None:
    """Why no Slurm can be started here; None if it can. Installs it where `DST_INSTALL_SLURM` is 1."""
    if os.getuid() != 0:
        return "only root can start a Slurm of its own"
    missing = [name for name in PLUGINS if importlib.util.find_spec(name) is None]
    if missing:
        return f"{', '.join(missing)}: not installed (pip install -e '.[slurm]')"
    if CONF.exists() and f"ClusterName={CLUSTER}\n" not in CONF.read_text():
        return f"{CONF} is there: this machine has a Slurm"
    if there():
        return None
    if os.environ.get("DST_INSTALL_SLURM") != "1":
        return f"no Slurm: apt-get install {' '.join(PACKAGES)}, or DST_INSTALL_SLURM=1 to let the test do it"
    return install()
