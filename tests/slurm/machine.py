"""A Slurm cluster of this machine (cluster.sh), and Snakemake runs in it, each with a deadline."""

import contextlib
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch", "unshare", "nsenter", "setpriv")
NAMESPACES = ("--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
CONFIG = """\
studies_dir: {root}/demo/studies
studies: [{studies}]
geo:
  base_url: file:{root}/demo/geo
  ncbi_counts_url: "{{base_url}}/series/{{stub}}/{{accession}}/rnaseq_counts/{{file}}"
  platform_table_url: "{{base_url}}/platforms/{{stub}}/{{accession}}/soft/{{file}}"
"""
# Ask often: the profile's own numbers are for a real cluster.
QUICK = ("--slurm-init-seconds-before-status-checks", "1", "--seconds-between-status-checks", "1")


def why_not():
    """Why no cluster can be started here, or ''."""
    if os.name != "posix" or not hasattr(os, "geteuid") or os.geteuid() != 0:
        return "needs root, to start Slurm's daemons in namespaces of their own"
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        return f"needs {', '.join(missing)}; on Debian: apt-get install slurm-wlm munge"
    tried = subprocess.run(["unshare", *NAMESPACES, "true"], capture_output=True, text=True)
    return f"namespaces are not allowed here: {tried.stderr.strip()}" if tried.returncode else ""


@contextlib.contextmanager
def cluster(folder):
    """Process number (seen from outside) of the first process inside a running cluster."""
    folder.mkdir(parents=True)
    script = Path(__file__).with_name("cluster.sh")
    ports = dict(zip(("SLURMCTLD_PORT", "SLURMD_PORT"), free_ports(2), strict=True))
    with open(folder / "out", "w") as out:
        process = subprocess.Popen(
            # Ends with this process, even where that is killed.
            ["setpriv", "--pdeathsig", "KILL", "unshare", *NAMESPACES, str(script), str(folder)],
            stdout=out,
            stderr=out,
            env=os.environ | ports,
        )
    try:
        end = time.monotonic() + 60
        while not (folder / "ready").exists():
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"Slurm did not start: {(folder / 'out').read_text()}")
            time.sleep(0.1)
        yield child(process.pid)
    finally:
        process.kill()  # --kill-child ends all that runs inside
        process.wait()


def free_ports(n):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    ports = [str(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return ports


def child(pid):
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def inside(inner, *command):
    return [
        "nsenter",
        f"--target={inner}",
        "--mount",
        "--pid",
        f"--wdns={ROOT}",
        *map(str, command),
    ]


def slurm(inner, *command):
    """Output of a Slurm command inside the cluster."""
    run = subprocess.run(
        inside(inner, *command), capture_output=True, text=True, timeout=60, check=True
    )
    return run.stdout


def jobs(inner, state):
    """Ids of the jobs in this state."""
    return slurm(inner, "squeue", "--noheader", "--format=%i", f"--states={state}").split()


def wait_for(what, seconds=90):
    """First true answer of what(), asked again and again."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := what():
            return found
        time.sleep(0.2)
    raise TimeoutError(f"not within {seconds} s")


def write_config(path, studies):
    path.write_text(CONFIG.format(root=ROOT, studies=", ".join(studies)))
    return path


def snakemake(config, directory, *arguments):
    command = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile", "--nocolor"]
    return [*command, "--configfile", config, "--directory", directory, *arguments]


def through_slurm(inner, config, directory, *arguments, deadline):
    """Snakemake started inside the cluster, killed after `deadline` seconds; a Popen.

    Its console goes to <directory>.log.
    """
    command = snakemake(config, directory, "--profile", ROOT / "profiles" / "slurm", *QUICK)
    directory.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    with open(f"{directory}.log", "w") as log:
        return subprocess.Popen(
            inside(inner, "timeout", "-k", "5", deadline, *command, *arguments),
            stdout=log,
            stderr=log,
            env=environment,
        )


def locally(config, directory, *arguments):
    run = subprocess.run(
        [str(word) for word in snakemake(config, directory, "--cores", "2", *arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
    )
    assert run.returncode == 0, run.stdout[-3000:]


def finish(process):
    """Exit code, 124 or 137 where the deadline ended it."""
    return process.wait()


def snakemake_of(process):
    """Process number of Snakemake under nsenter and timeout."""
    return child(child(process.pid))


def send(pid, name):
    os.kill(pid, getattr(signal, name))


def digests(directory):
    """Relative path -> digest of every table, workbook, archive and JSON file among the results."""
    results = directory / "results"
    return {
        path.relative_to(results).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(results.rglob("*"))
        if path.suffix in (".tsv", ".json", ".xlsx", ".gz")
        and not {"logs", "benchmarks"} & set(path.parts)
        and path.name != "ro-crate-metadata.json"  # has the dates of the downloads
    }


def copy_without_contrasts(source, target):
    """A copy of a finished run in which the contrasts and all that follows are to be made again."""
    shutil.copytree(source, target)
    for study in (target / "results").glob("*/contrasts"):
        shutil.rmtree(study)
    for name in ("synthesis", "report"):
        shutil.rmtree(target / "results" / name)
