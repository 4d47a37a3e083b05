"""What can go wrong on a cluster: each fault is done to a run, which must end as said.

A fault is a function (inner, process) that does the harm to a run in progress; `inner` is the
process number of the cluster, `process` the run (machine.through_slurm). FAULTS says with which
options the run starts, and what must come of it: 'same' for exit code 0, else a text that must
stand on the console of the failed run. After a failure the same command, without the fault, must
give the same bytes.
"""

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

import machine


class Fault(NamedTuple):
    harm: object
    options: tuple = ()
    outcome: str = "same"
    # Must stand in Slurm's log of a job, or on the console.
    evidence: str = ""
    deadline: int = 400
    # Before the failed run can be repeated.
    unlock: bool = False


def nothing(inner, process):
    pass


def running_job(inner):
    return machine.wait_for(lambda: machine.jobs(inner, "RUNNING"))[0]


def script_of_job(inner):
    """Process number of the script of a Slurm job of this cluster, once it works."""
    here = os.readlink(f"/proc/{inner}/ns/pid")

    def find():
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
                ours = os.readlink(entry / "ns" / "pid") == here
                environment = (entry / "environ").read_bytes()
            except OSError:
                continue
            if (
                ours
                and b"SLURM_JOB_ID=" in environment
                and b".snakemake/scripts/" in b" ".join(words[1:2])
            ):
                return int(entry.name)

    running_job(inner)
    return machine.wait_for(find)


def cancel(inner, process):
    machine.slurm(inner, "scancel", running_job(inner))


def requeue(inner, process):
    job = running_job(inner)
    machine.slurm(inner, "scontrol", "requeue", job)
    # Slurm holds a requeued job back for two minutes.
    machine.wait_for(lambda: job in machine.jobs(inner, "PENDING"))
    machine.slurm(inner, "scontrol", "update", f"JobId={job}", "StartTime=now")


def kill_script(inner, process):
    os.kill(script_of_job(inner), signal.SIGKILL)


def freeze_script(inner, process):
    os.kill(script_of_job(inner), signal.SIGSTOP)


def restart(inner, name, seconds):
    pid = machine.slurm(inner, "cat", f"/run/{name}.pid").strip()
    machine.slurm(inner, "kill", "-9", pid)
    time.sleep(seconds)
    machine.slurm(inner, name)


def restart_slurmd(inner, process):
    running_job(inner)
    restart(inner, "slurmd", 4)


def lose_node(inner, process):
    job = running_job(inner)
    restart(inner, "slurmd", 45)
    # Slurm puts the job of a lost node back into the queue, and holds it for two minutes.
    if job in machine.jobs(inner, "PENDING"):
        machine.slurm(inner, "scontrol", "update", f"JobId={job}", "StartTime=now")


def restart_slurmctld(inner, process):
    running_job(inner)
    # It writes its list of jobs every few seconds, and forgets what came later.
    time.sleep(8)
    restart(inner, "slurmctld", 4)


def kill_snakemake(inner, process):
    running_job(inner)
    machine.send(machine.snakemake_of(process), "SIGKILL")


def interrupt_snakemake(inner, process):
    running_job(inner)
    machine.send(machine.snakemake_of(process), "SIGINT")


def terminate_snakemake(inner, process):
    running_job(inner)
    machine.send(machine.snakemake_of(process), "SIGTERM")


RULE = "test_contrast"
RETRIED = "Trying to restart job"
FAULTS = {
    "killed for memory, once": Fault(
        nothing,
        ("--set-resources", f"{RULE}:mem_mb=120*attempt*attempt"),
        evidence="exceeded memory limit",
    ),
    "killed for memory, every time": Fault(
        nothing,
        ("--set-resources", f"{RULE}:mem_mb=100"),
        "failed, SLURM status is",
        "exceeded memory limit",
    ),
    "out of time, once": Fault(
        freeze_script,
        ("--set-resources", f"{RULE}:runtime=attempt", "compare_scorers:runtime=attempt"),
        evidence="DUE TO TIME LIMIT",
        deadline=600,
    ),
    "scancel": Fault(cancel, evidence=RETRIED),
    "requeued": Fault(requeue),
    "script killed": Fault(kill_script, evidence=RETRIED),
    "slurmd killed and restarted after 4 s": Fault(restart_slurmd),
    "node lost for 45 s": Fault(lose_node, deadline=600),
    "slurmctld killed and restarted": Fault(restart_slurmctld),
    "Snakemake killed": Fault(kill_snakemake, outcome="", unlock=True),
    "Snakemake interrupted (Ctrl-C)": Fault(interrupt_snakemake, outcome=""),
    "Snakemake terminated (SIGTERM)": Fault(terminate_snakemake, outcome=""),
    "unknown partition": Fault(
        nothing,
        ("--default-resources", "slurm_partition=nowhere"),
        "invalid partition specified: nowhere",
    ),
    "more memory than any node has": Fault(
        nothing,
        ("--set-resources", f"{RULE}:mem_mb=9000000"),
        "Requested node configuration is not available",
    ),
}


def endure(inner, config, finished, folder, fault):
    """Do the fault to a run in `folder`, a copy of the `finished` one; (outcome, seconds).

    Raises AssertionError where the run ends otherwise than the fault says.
    """
    machine.copy_without_contrasts(finished, folder)
    wanted = machine.digests(finished)
    started = time.monotonic()
    process = machine.through_slurm(inner, config, folder, *fault.options, deadline=fault.deadline)
    try:
        fault.harm(inner, process)
    except (TimeoutError, subprocess.CalledProcessError):
        process.wait()
        raise AssertionError(Path(f"{folder}.log").read_text()[-3000:]) from None
    code = process.wait()
    seconds = time.monotonic() - started
    console = Path(f"{folder}.log").read_text()
    logs = "".join(path.read_text() for path in folder.glob(".snakemake/slurm_logs/**/*.log"))
    assert code != 124 and seconds < fault.deadline, f"hung: {console[-3000:]}"
    assert fault.evidence in console + logs, console[-3000:] + logs[-1000:]
    if fault.outcome == "same":
        assert code == 0, console[-3000:]
        assert machine.digests(folder) == wanted
        return f"same bytes{' after a retry' if RETRIED in console else ''}", seconds
    assert code != 0 and fault.outcome in console, console[-3000:]
    outcome = "clear report, "
    if fault.unlock:
        again = machine.through_slurm(inner, config, folder, deadline=120)
        assert again.wait() == 1
        assert "--unlock" in Path(f"{folder}.log").read_text()
        machine.locally(config, folder, "--unlock")
        outcome = "locked, says so, after --unlock "
    again = machine.through_slurm(inner, config, folder, deadline=fault.deadline)
    assert again.wait() == 0, Path(f"{folder}.log").read_text()[-3000:]
    assert machine.digests(folder) == wanted
    return f"{outcome}same bytes when run again", seconds
