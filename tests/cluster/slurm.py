"""A real Slurm of one node with two stand-in GPUs, from Debian's packages; its configuration and ports are its own."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch", "squeue")
SYSTEM = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# slurmd only accepts character devices, numbered; a count without devices leaves the node invalid.
GRES = "NodeName={node} Name=gpu File={folder}/gpu[0-{last}] Flags=nvidia_gpu_env\n"
# Without systemd and cgroups. Memory per CPU is limited, or else each job would get the whole node.
CONF = """
ClusterName=test
SlurmctldHost={node}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CredType=cred/munge
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
MailProg=/bin/true
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
SlurmdParameters=config_overrides
SwitchType=switch/none
MpiDefault=none
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=2,batch_sched_delay=0
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
DefMemPerCPU=500
ReturnToService=2
KillWait=5
SlurmdTimeout=60
AccountingStorageType=accounting_storage/none
GresTypes=gpu
NodeName={node} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} Gres=gpu:{gpus} State=UNKNOWN
PartitionName=main Nodes={node} Default=YES MaxTime=INFINITE State=UP
"""


@dataclass(frozen=True)
class Slurm:
    """A running Slurm.

    Attributes
    ----------
    folder
        Its configuration, state and logs.
    environment
        What programs need to find it.
    node
        The name of its node.
    """

    folder: Path
    environment: dict[str, str]
    node: str

    def restart_node(self) -> None:
        """Kill the node's daemon, and start another."""
        _process(self.folder / "slurmd.pid", signal.SIGKILL)
        self.start_node()

    def start_node(self) -> None:
        """Start the node's daemon, and wait until it takes jobs."""
        with (self.folder / "slurmd.out").open("a") as out:
            command = ["slurmd", "-D", "-N", self.node]
            daemon = subprocess.Popen(command, stdout=out, stderr=out, env=self.environment, start_new_session=True)
        (self.folder / "slurmd.pid").write_text(str(daemon.pid))
        _wait(lambda: self.ask("sinfo", "-h", "-o", "%t") in ("idle", "mix", "alloc"), self.folder / "slurmd.log")

    def ask(self, *command: str) -> str:
        """Return what a command of Slurm prints."""
        return subprocess.run(command, capture_output=True, text=True, env=self.environment, timeout=60).stdout.strip()


def skip_without_slurm() -> None:
    """Skip a test in one line where Slurm's programs are missing and can't be installed."""
    path = os.pathsep.join([os.environ["PATH"], SYSTEM])
    if all(shutil.which(program, path=path) for program in PROGRAMS):
        return
    if os.environ.get("LRP_DOMAINS_INSTALL_SLURM") != "1" or os.getuid() != 0 or not shutil.which("apt-get"):
        pytest.skip("no Slurm here: apt-get install slurm-wlm munge, or set LRP_DOMAINS_INSTALL_SLURM=1 as root")
    if not _installed():
        pytest.skip("no Slurm here: apt-get could not install slurm-wlm and munge")


def _installed() -> bool:
    """Install Slurm without starting its services; return whether that succeeded."""
    policy = Path("/usr/sbin/policy-rc.d")  # forbids packages to start services
    is_ours = not policy.exists()
    if is_ours:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    install = "apt-get install -y -qq --no-install-recommends slurm-wlm munge"
    quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    try:
        for command in (install, f"apt-get update -qq && {install}"):
            if subprocess.run(["sh", "-c", command], capture_output=True, timeout=150, env=quiet).returncode == 0:
                return True
        return False
    except subprocess.TimeoutExpired:
        return False
    finally:
        if is_ours:
            policy.unlink()


@contextmanager
def one_node(folder: Path, *, cpus: int = 4, gpus: int = 2) -> Iterator[Slurm]:
    """Yield a Slurm that runs until the block ends; the folder's path must be short, for its sockets."""
    for name in ("munge", "state", "spool", "bin"):
        (folder / name).mkdir(parents=True)
    for number in range(gpus):
        (folder / f"gpu{number}").symlink_to("/dev/null")
    node = socket.gethostname().partition(".")[0]
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    facts = {"folder": folder, "node": node, "cpus": cpus, "gpus": gpus, "last": gpus - 1}
    facts |= {"user": _user(), "memory": int(pages * 0.9) // 2**20}
    facts |= {"controller_port": _free_port(), "node_port": _free_port()}
    (folder / "slurm.conf").write_text(CONF.format(**facts))
    (folder / "gres.conf").write_text(GRES.format(**facts))
    (folder / "cgroup.conf").write_text("CgroupPlugin=disabled\n" if _version() > 22 else "")
    _write_srun(folder)

    environment = {name: value for name, value in os.environ.items() if not name.startswith("SLURM_")}
    paths = [str(folder / "bin"), str(Path(sys.executable).parent), os.environ["PATH"], SYSTEM]
    environment |= {"SLURM_CONF": str(folder / "slurm.conf"), "PATH": os.pathsep.join(paths)}
    slurm = Slurm(folder, environment, node)
    try:
        _start_munge(folder, environment)
        with (folder / "slurmctld.out").open("w") as out:
            controller = subprocess.Popen(
                ["slurmctld", "-D"], stdout=out, stderr=out, env=environment, start_new_session=True
            )
        (folder / "slurmctld.pid").write_text(str(controller.pid))
        _wait(lambda: "UP" in slurm.ask("scontrol", "ping"), folder / "slurmctld.log")
        slurm.start_node()
        yield slurm
    finally:
        slurm.ask("scancel", "--user", _user())
        for name in ("slurmd", "slurmctld", "munged"):
            _process(folder / f"{name}.pid", signal.SIGTERM)


def _start_munge(folder: Path, environment: dict[str, str]) -> None:
    """Start the daemon that Slurm's programs authenticate with, apart from the system's."""
    key, log = folder / "munge" / "key", folder / "munge" / "log"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o600)
    (folder / "munge").chmod(0o711)
    files = {"key-file": key, "socket": folder / "munge" / "socket", "pid-file": folder / "munged.pid", "log-file": log}
    files |= {"seed-file": folder / "munge" / "seed"}
    options = [f"--{name}={path}" for name, path in files.items()]
    # --force: the folder is in /tmp, which all may write to.
    subprocess.run(["munged", "--force", *options], check=True, capture_output=True, env=environment, timeout=60)


def _write_srun(folder: Path) -> None:
    """Write an srun that knows its configuration: within jobs, Snakemake's plugin removes all SLURM_* variables."""
    srun = shutil.which("srun", path=os.pathsep.join([os.environ["PATH"], SYSTEM]))
    script = folder / "bin" / "srun"
    script.write_text(f'#!/bin/sh\nSLURM_CONF={folder}/slurm.conf exec {srun} "$@"\n')
    script.chmod(0o755)


def _process(pid_file: Path, number: signal.Signals) -> None:
    """Send a signal to the process of a pid file, and wait until it is gone."""
    with suppress(FileNotFoundError, ValueError, ProcessLookupError, PermissionError):
        pid = int(pid_file.read_text())
        os.kill(pid, number)
        for _ in range(100):
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
            os.kill(pid, 0)
            time.sleep(0.1)
        os.kill(pid, signal.SIGKILL)


def _wait(condition, log: Path, seconds: float = 60) -> None:
    """Wait until a condition holds; raise with the end of a log if it never does."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f"Slurm does not start: {log.read_text()[-3000:] if log.exists() else 'no log'}")
        time.sleep(0.2)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _user() -> str:
    return subprocess.run(["id", "-un"], capture_output=True, text=True).stdout.strip()


def _version() -> int:
    answer = subprocess.run(["slurmd", "-V"], capture_output=True, text=True, env={"PATH": SYSTEM}).stdout
    return int(answer.split()[-1].partition(".")[0])
