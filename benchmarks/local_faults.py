"""Do harm to local runs of the demo, run them again, and count how they end.

    python benchmarks/local_faults.py [--kills 30] [--seed 1] [FAULT ...]

Run by hand, 20 minutes. The faults of disks and folders need root (they mount, in a name space
of their own) and are left out without. The rows go into the table of docs/reliability.md.
"""

import argparse
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "slurm"))
import machine
from tables import put

STUDIES = ["GSE9000002"]
DEADLINE = 300
DATES = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(Z|\+00:00)?")


class Place:
    """One run's folder, the config, and the undisturbed run that it must come to equal."""

    def __init__(self, folder, config, finished, generator):
        self.folder, self.config, self.finished = folder, config, finished
        self.random = generator

    def start(self, *arguments):
        """Snakemake in a process group of its own."""
        command = machine.snakemake(self.config, self.folder, "--cores", "2", *arguments)
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(f"{self.folder}.log", "w") as log:
            return subprocess.Popen(
                [str(word) for word in command], stdout=log, stderr=log, start_new_session=True
            )

    def console(self):
        return Path(f"{self.folder}.log").read_text()

    def run(self, *arguments):
        """Exit code of a run to its end."""
        process = self.start(*arguments)
        try:
            return process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            kill(process)
            raise AssertionError(f"hung: {self.console()[-2000:]}") from None

    def again(self):
        """The run must now end well, with the same bytes; unlocked first where it says so."""
        code = self.run()
        if code and "--unlock" in self.console():
            assert self.run("--unlock") == 0, self.console()
            code = self.run()
        assert code == 0, self.console()[-3000:]
        self.same()

    def same(self):
        assert contents(self.folder) == contents(self.finished)


def contents(folder):
    """Digests of the tables, and the report's pages without their dates."""
    pages = {
        str(page.relative_to(folder)): DATES.sub("", page.read_text())
        for page in (folder / "results" / "report").rglob("*.html")
    }
    return machine.digests(folder) | pages


def kill(process):
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def killed_at_random_moments(place):
    """Kill, start again, kill again, until the run is through; then the next run, until enough."""
    kills = runs = 0
    while kills < place.kills:
        process = place.start()
        try:
            assert process.wait(place.random.uniform(0, place.seconds)) == 0, place.console()[
                -3000:
            ]
        except subprocess.TimeoutExpired:
            kill(process)
            kills += 1
            found, wanted = machine.digests(place.folder), machine.digests(place.finished)
            half = [name for name in found if found[name] != wanted.get(name)]
            assert not half, f"after {kills} kills, half files: {half}"
            if list(place.folder.glob(".snakemake/locks/*")):
                assert place.run("--unlock") == 0, place.console()[-3000:]
        else:
            place.same()
            runs += 1
            shutil.rmtree(place.folder)
    place.again()
    return f"no half file after any of {kills} kills; {runs + 1} runs came through, same bytes"


def interrupted(place):
    process = place.start()
    time.sleep(place.random.uniform(3, place.seconds / 2))
    assert process.poll() is None, "it had ended"
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(60) != 0
    place.again()
    return "ends within a minute, same bytes when run again"


def report_killed(place):
    """Kill during the report, then during `snakemake --report`."""
    shutil.copytree(place.finished, place.folder)
    shutil.rmtree(place.folder / "results" / "report")
    process = place.start()
    machine.wait_for(lambda: "Writing the report" in place.console())
    time.sleep(place.random.uniform(0, 1))
    kill(process)
    place.again()
    process = place.start("--report", "report.html")
    time.sleep(place.random.uniform(1, 3))
    kill(process)
    assert place.run("--report", "report.html") == 0, place.console()
    place.same()
    return "same pages when run again"


def second_run_in_the_folder(place):
    first = place.start()
    machine.wait_for((place.folder / ".snakemake" / "locks").exists)
    machine.wait_for(lambda: list((place.folder / ".snakemake" / "locks").iterdir()))
    command = machine.snakemake(place.config, place.folder, "--cores", "2")
    second = subprocess.run(
        [str(word) for word in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=DEADLINE,
    )
    assert second.returncode == 1 and "cannot be locked" in second.stdout, second.stdout
    assert first.wait(DEADLINE) == 0, place.console()
    place.same()
    return "the second is refused, the first gives the same bytes"


def full_disk(place):
    """A disk with an eighth, a quarter, half and three quarters of the room that is needed."""
    used = subprocess.run(["du", "-sk", place.finished], capture_output=True, text=True, check=True)
    need = int(used.stdout.split()[0])
    place.folder.mkdir()
    said = []
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={need // 8}k", "tmpfs", place.folder], check=True
    )
    try:
        for share in (8, 4, 2, 4 / 3):
            size = f"remount,size={int(need / share)}k"
            subprocess.run(["mount", "-o", size, place.folder], check=True)
            code = place.run()
            console = place.console()
            if code and "--unlock" in console:
                place.run("--unlock")
                code, console = place.run(), place.console()
            if code:
                assert re.search("no space left|disk full", console, re.I), console[-3000:]
                said.append(next(re.finditer(r"^(ERROR.*|OSError.*)$", console, re.M), [""])[0])
        subprocess.run(["mount", "-o", f"remount,size={4 * need}k", place.folder], check=True)
        place.again()
    finally:
        subprocess.run(["umount", place.folder], check=True)
    print(*dict.fromkeys(said), sep="\n")
    return f"{len(said)} of 4 runs end, say so, same bytes once there is room"


def read_only_resources(place):
    """Shared downloads that nobody may write: whole, they serve; incomplete, it is said."""
    shutil.copytree(place.finished / "resources", place.folder / "resources")
    resources = place.folder / "resources"
    removed = next(resources.rglob("*.gz"))
    shutil.move(removed, place.folder)
    subprocess.run(["mount", "--bind", resources, resources], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", resources], check=True)
        assert place.run() == 1
        assert re.search("read-only|write-protected", place.console(), re.I), place.console()[
            -3000:
        ]
        subprocess.run(["mount", "-o", "remount,bind,rw", resources], check=True)
        shutil.move(place.folder / removed.name, removed)
        subprocess.run(["mount", "-o", "remount,bind,ro", resources], check=True)
        place.again()
    finally:
        subprocess.run(["umount", resources], check=True)
    return "incomplete: ends and says so; whole: same bytes"


FAULTS = {
    "killed (kill -9, all processes) at random moments": killed_at_random_moments,
    "interrupted (Ctrl-C) at a random moment": interrupted,
    "report killed": report_killed,
    "second run in the same folder": second_run_in_the_folder,
    "full disk": full_disk,
    "read-only resources": read_only_resources,
}
REPEATED = {interrupted: 3, report_killed: 3}
ROOT_ONLY = (full_disk, read_only_resources)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("faults", nargs="*", help=f"of {list(FAULTS)}; all where none is named")
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if os.geteuid() == 0 and "LOCAL_FAULTS" not in os.environ:
        # Mounts are then nobody else's.
        os.environ["LOCAL_FAULTS"] = "inside"
        os.execvp("unshare", ["unshare", "--mount", sys.executable, *sys.argv])
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        config = machine.write_config(folder / "config.yaml", STUDIES)
        finished = folder / "finished"
        started = time.monotonic()
        machine.locally(config, finished)
        seconds = time.monotonic() - started
        print(f"undisturbed: {seconds:.0f} s", flush=True)
        for name in options.faults or FAULTS:
            fault = FAULTS[name]
            if fault in ROOT_ONLY and os.geteuid() != 0:
                continue
            ends, times = {}, REPEATED.get(fault, 1)
            for number in range(times):
                seed = f"{options.seed} {name} {number}"
                run = folder / "run"
                place = Place(run, config, finished, random.Random(seed))
                place.seconds, place.kills = seconds, options.kills
                try:
                    end = fault(place)
                except (AssertionError, TimeoutError, subprocess.SubprocessError) as error:
                    print(f"{name}, {number}: {error}", flush=True)
                    end = "FAILED"
                ends[end] = ends.get(end, 0) + 1
                print(name, number, end, flush=True)
                shutil.rmtree(run, ignore_errors=True)
            rows += [[name, f"{n} of {times}", end] for end, n in ends.items()]
    put("reliability.md", "local faults", ["fault", "times", "end"], rows)


if __name__ == "__main__":
    main()
