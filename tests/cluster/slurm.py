"""A real Slurm on the loopback of one machine: a controller, two nodes with CPUs and two with a stand-in GPU each.

Everything lies in one folder and on free ports, so that clusters can run beside each other and beside a real one. It
needs root (Slurm's daemons change users) and Debian's packages slurm-wlm, slurm-wlm-basic-plugins and munge. No
systemd, no database of accounts.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil

CPU_NODES, GPU_NODES = ("cpu1", "cpu2"), ("gpu1", "gpu2")
_DAEMONS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "srun")

# Memory and CPUs are what jobs may ask for, not what this machine has. Memory is enforced by looking every second.
_SLURM_CONF = """\
ClusterName={name}
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
MpiDefault=none
MailProg=/bin/true
SwitchType=switch/none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
SchedulerParameters=bf_interval=1,sched_min_interval=100000,batch_sched_delay=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmdTimeout=6
TCPTimeout=2
MessageTimeout=10
KillWait=2
OverTimeLimit=0
MinJobAge=3600
ReturnToService=2
PropagateResourceLimits=NONE
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
AccountingStoreFlags=job_comment
GresTypes=gpu
StateSaveLocation={folder}/controller
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
{nodes}
PartitionName=cpu Nodes={cpu_nodes} Default=YES DefMemPerCPU=500 PriorityTier=1
PartitionName=gpu Nodes={gpu_nodes} DefMemPerCPU=500 PriorityTier=1
PartitionName=urgent Nodes={gpu_nodes} DefMemPerCPU=500 PriorityTier=2
"""
_NODE = (
    "NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=8 Boards=1 SocketsPerBoard=1 "
    "CoresPerSocket=8 ThreadsPerCore=1 RealMemory=64000 State=UNKNOWN{gres}"
)
# A GPU must be a device file, or Slurm sets no CUDA_VISIBLE_DEVICES. This one exists everywhere and does no harm.
_GRES_CONF = "AutoDetect=off\n" + "".join(f"NodeName={node} Name=gpu File=/dev/null\n" for node in GPU_NODES)
# The job-step executor hands srun none of the variables that begin with SLURM, SLURM_CONF included.
_SRUN = '#!/bin/sh\nexport SLURM_CONF={folder}/slurm.conf\nexec {srun} "$@"\n'


def why_not_here() -> str | None:
    """The reason that no cluster can be started on this machine, if there is one."""
    missing = [name for name in _DAEMONS if shutil.which(name, path=_path()) is None]
    if missing:
        return f"Slurm is not installed ({', '.join(missing)} missing): make test-cluster installs it"
    return None if os.geteuid() == 0 else "Slurm's daemons can be started by root alone"


class Slurm:
    """A cluster from `start()` to `stop()`."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._forgotten = folder, 0
        self.environment = {
            "SLURM_CONF": str(folder / "slurm.conf"),
            "PATH": f"{folder / 'bin'}{os.pathsep}{_path()}",
        }

    def start(self) -> None:
        (self.folder / "bin").mkdir(parents=True)
        self.folder.chmod(0o755)
        ports = _free_ports(1 + len(CPU_NODES + GPU_NODES))
        self.name, host = f"test{ports[0]}", socket.gethostname().split(".")[0]
        nodes = [
            _NODE.format(node=node, host=host, port=port, gres=" Gres=gpu:1" if node in GPU_NODES else "")
            for node, port in zip(CPU_NODES + GPU_NODES, ports[1:], strict=True)
        ]
        conf = _SLURM_CONF.format(
            name=self.name, host=host, controller_port=ports[0], folder=self.folder, nodes="\n".join(nodes),
            cpu_nodes=",".join(CPU_NODES), gpu_nodes=",".join(GPU_NODES),
        )  # fmt: skip
        (self.folder / "slurm.conf").write_text(conf)
        (self.folder / "gres.conf").write_text(_GRES_CONF)
        (self.folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\nCgroupAutomount=no\n")
        srun = self.folder / "bin/srun"
        srun.write_text(_SRUN.format(folder=self.folder, srun=shutil.which("srun", path=_path())))
        srun.chmod(0o755)
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        self.run(
            "munged", "--force", f"--key-file={key}", f"--socket={self.folder}/munge.socket",
            f"--pid-file={self.folder}/munged.pid", f"--log-file={self.folder}/munged.log",
            f"--seed-file={self.folder}/munged.seed",
        )  # fmt: skip
        self.run("slurmctld")
        for node in CPU_NODES + GPU_NODES:
            self.start_node(node)
        wait_until(lambda: self._idle_nodes() == set(CPU_NODES + GPU_NODES), 60, "all nodes are idle")

    def stop(self) -> None:
        """End all jobs and daemons, whatever state they are in."""
        self._kill(self._processes())
        for file in self.folder.glob("*.pid"):
            with contextlib.suppress(ValueError, ProcessLookupError, psutil.NoSuchProcess):
                daemon = psutil.Process(int(file.read_text()))
                if daemon.name() in _DAEMONS:
                    daemon.kill()

    def run(self, *command: str, check: bool = True) -> str:
        """A Slurm command's output."""
        done = subprocess.run(command, env={**os.environ, **self.environment}, capture_output=True, text=True)
        assert not check or done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout.strip()

    def jobs(self) -> list[dict[str, str]]:
        """Jobs since `forget_jobs()` in the order of submission: what they asked for, where they are."""
        fields = {
            "id": "JobID", "state": "State", "partition": "Partition", "nodes": "NodeList", "comment": "Comment",
            "gpus": "tres-per-job", "mem": "MinMemory", "time_limit": "TimeLimit",
        }  # fmt: skip
        spec = ",".join(f"{name}:200" for name in fields.values())
        lines = self.run("squeue", "--noheader", "--states=all", "--sort=i", f"--Format={spec}").splitlines()
        jobs = [
            dict(zip(fields, (line[200 * i : 200 * (i + 1)].strip() for i in range(len(fields))), strict=True))
            for line in lines
        ]
        return [job for job in jobs if int(job["id"]) > self._forgotten]

    def forget_jobs(self) -> None:
        self._forgotten = max((int(job["id"]) for job in self.jobs()), default=self._forgotten)

    def job(self, job_id: str) -> dict[str, str]:
        (job,) = [job for job in self.jobs() if job["id"] == job_id]
        return job

    def running(self) -> list[dict[str, str]]:
        return [job for job in self.jobs() if job["state"] == "RUNNING"]

    def start_node(self, node: str) -> None:
        self.run("slurmd", "-N", node)

    def lose_node(self, node: str) -> None:
        """What a power cut does: the node's daemon and all that runs on it are gone at once."""
        os.kill(int((self.folder / f"slurmd.{node}.pid").read_text()), signal.SIGKILL)
        self._kill(self._processes(node))

    def restore_nodes(self) -> None:
        """Have every node idle, whatever a test did to them."""
        self.run("scancel", "--user=root", check=False)
        for node in CPU_NODES + GPU_NODES:
            pid = int((self.folder / f"slurmd.{node}.pid").read_text())
            if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                self.start_node(node)
        wait_until(lambda: self._idle_nodes() == set(CPU_NODES + GPU_NODES), 60, "all nodes are idle")

    def job_processes(self, job_id: str) -> list[psutil.Process]:
        return [p for p in self._processes() if _environment(p).get("SLURM_JOB_ID") == job_id]

    def _idle_nodes(self) -> set[str]:
        return set(self.run("sinfo", "--noheader", "-N", "--states=idle", "--format=%N", check=False).split())

    def _processes(self, node: str | None = None) -> list[psutil.Process]:
        """What jobs run, on one node or all, after the daemons that look after them."""
        found = []
        for process in psutil.process_iter():
            environment = _environment(process)
            here = node in (None, environment.get("SLURMD_NODENAME"))
            if here and environment.get("SLURM_CLUSTER_NAME") == self.name:
                found.append(process)
        keepers = []
        for process in found:
            with contextlib.suppress(psutil.NoSuchProcess):
                keepers += [parent for parent in process.parents() if parent.name().startswith("slurmstepd")]
        return [*dict.fromkeys(keepers), *found]

    @staticmethod
    def _kill(processes: list[psutil.Process]) -> None:
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()


def wait_until(ready: Callable[[], object], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.1)


def _environment(process: psutil.Process) -> dict[str, str]:
    try:
        return process.environ()
    except (psutil.Error, OSError):
        return {}


def _path() -> str:
    return os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])  # Debian's place for daemons


def _free_ports(n: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(n)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
