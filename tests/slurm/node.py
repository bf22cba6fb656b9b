"""A Slurm of one node with two pretended GPUs, below a folder, with daemons, ports and a key of its own."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import stat
import subprocess
import time
from pathlib import Path

from tests.slurm.packages import CLUSTER, CONF

GPUS = 2
SETTINGS = """\
ClusterName={cluster}
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={root}/munge/sock
CredType=cred/munge
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool
SlurmctldPidFile={root}/slurmctld.pid
SlurmdPidFile={root}/slurmd.pid
SlurmctldLogFile={root}/slurmctld.log
SlurmdLogFile={root}/slurmd.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=5
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
SlurmdParameters=config_overrides
EnforcePartLimits=ALL
MinJobAge=600
KillWait=2
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs=8 RealMemory=200000 Gres=gpu:{gpus} State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=02:00:00 State=UP
"""


class Node:
    def __init__(self, root: Path) -> None:
        self.root, self.host = root, socket.gethostname().partition(".")[0]

    def start(self) -> None:
        for name in ("state", "spool", "munge", "dev"):
            (self.root / name).mkdir(parents=True)
        self.root.chmod(0o755)
        (self.root / "munge").chmod(0o711)
        key = self.root / "munge.key"
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(128))
        for number in range(GPUS):  # a GPU needs a device file; this one is another /dev/null
            os.mknod(self.root / f"dev/nvidia{number}", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        gres = f"NodeName={self.host} Name=gpu File={self.root}/dev/nvidia[0-{GPUS - 1}]\n"
        (self.root / "gres.conf").write_text(gres)
        settings = {"cluster": CLUSTER, "host": self.host, "root": self.root, "ports": free_ports(2), "gpus": GPUS}
        conf = self.root / "slurm.conf"
        conf.write_text(SETTINGS.format(**settings))
        CONF.parent.mkdir(exist_ok=True)
        CONF.unlink(missing_ok=True)
        CONF.symlink_to(conf)
        places = {"key-file": key} | {
            f"{name}-{kind}": self.root / "munge" / name
            for name, kind in (("pid", "file"), ("log", "file"), ("seed", "file"))
        }
        words = [f"--{option}={path}" for option, path in places.items()]
        self._daemon("munged", f"--socket={self.root}/munge/sock", *words)
        self._daemon("slurmctld", "-c", "-f", str(conf))
        self._daemon("slurmd", "-f", str(conf))
        wait_until(lambda: self.call("sinfo", "-h", "-o", "%T", check=False) == "idle", 30, "the node is idle")

    def _daemon(self, name: str, *arguments: str) -> None:
        environment = os.environ | {"PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
        with (self.root / f"{name}.out").open("w") as out:  # a pipe would stay open for as long as the daemon lives
            subprocess.run([name, *arguments], check=True, timeout=30, env=environment, stdout=out, stderr=out)

    def stop(self) -> None:
        """End all jobs, then exactly the daemons that `start` started."""
        with contextlib.suppress(subprocess.SubprocessError):
            self.call("scancel", "--user=root", check=False)
            wait_until(lambda: not self.call("squeue", "-h", check=False), 15, "all jobs have ended")
        for name in ("slurmd.pid", "slurmctld.pid", "munge/pid"):
            with contextlib.suppress(OSError, ValueError):
                end(int((self.root / name).read_text()))
        if CONF.is_symlink() and CONF.readlink() == self.root / "slurm.conf":
            CONF.unlink()

    def call(self, *command: str, check: bool = True) -> str:
        done = subprocess.run(command, check=check, capture_output=True, text=True, timeout=30)
        return done.stdout.strip()

    def jobs(self, folder: Path) -> list[dict[str, str]]:
        """All jobs of a project, also those that have ended, in their order, as Slurm describes them."""
        lines = self.call("scontrol", "show", "jobs", "--oneliner").splitlines()
        described = [dict(re.findall(r"(\w+)=(.*?)(?= \w+=|$)", line)) for line in lines]
        return sorted(
            (job for job in described if job.get("WorkDir") == str(folder)), key=lambda job: int(job["JobId"])
        )


def wait_until(due: object, seconds: float, what: str) -> None:
    """Until `due()`; a test fails if that takes longer."""
    assert callable(due)
    deadline = time.monotonic() + seconds
    while not due():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.2)


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def end(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
        for _ in range(50):
            os.kill(pid, 0)
            time.sleep(0.1)
        os.kill(pid, signal.SIGKILL)
