"""What Snakemake costs: start of a dry run, and the share of a run in which no script works.

    python benchmarks/overhead.py [--run 1 10] [--dry 1 10 100] [--table]

Run by hand. The studies are copies of a simulated demo study under other accessions. A dry run is
repeated five times, the least is shown. In a run, processes are looked at twenty times a second;
a look that finds no script of a job at work is counted as overhead (start, planning, bookkeeping).
--table puts the result into docs/performance.md.
"""

import argparse
import contextlib
import gzip
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tables import put

ROOT = Path(__file__).resolve().parents[1]
MODEL, STUB = "GSE9000002", "GSE9000nnn"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--run", type=int, nargs="*", default=[1, 10])
    parser.add_argument("--dry", type=int, nargs="*", default=[1, 10, 100])
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for n in sorted({*options.run, *options.dry}):
            place = Path(folder) / str(n)
            make(place, n)
            row = [n, "", "", "", "", "", ""]
            if n in options.dry:
                row[1:4] = dry_run(place)
            if n in options.run:
                row[4:] = run(place)
            rows.append(row)
            print(row, flush=True)
    if options.table:
        header = ["studies", "jobs", "dry run", "its processor time", "run"]
        header += ["no script at work", "share"]
        put("performance.md", "overhead", header, rows)


def make(place, n):
    """Config, study folders and a GEO tree for n studies that differ in their accession only."""
    names = [f"GSE91{number:05}" for number in range(1, n + 1)]
    study = ROOT / "demo" / "studies" / MODEL
    series = ROOT / "demo" / "geo" / "series" / STUB / MODEL
    for name in names:
        target = place / "studies" / name
        target.mkdir(parents=True)
        for path in study.iterdir():
            (target / path.name).write_text(path.read_text().replace(MODEL, name))
        for path in series.rglob("*.gz"):
            parts = path.relative_to(series).parts[:-1]
            copy = place / "geo" / "series" / f"{name[:-3]}nnn" / name / Path(*parts)
            copy.mkdir(parents=True, exist_ok=True)
            text = gzip.decompress(path.read_bytes()).replace(MODEL.encode(), name.encode())
            (copy / path.name.replace(MODEL, name)).write_bytes(gzip.compress(text, mtime=0))
    (place / "config.yaml").write_text(
        f"studies_dir: {place}/studies\nstudies: [{', '.join(names)}]\n"
        f"geo: {{base_url: 'file:{place}/geo'}}\n"
    )


def command(place, *arguments):
    words = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile", "--cores", "2"]
    words += ["--configfile", place / "config.yaml", "--directory", place / "run", *arguments]
    return [str(word) for word in words]


def dry_run(place):
    """Number of jobs, and the least seconds of five dry runs, elapsed and of processor time."""
    seconds, processor = [], []
    for _ in range(5):
        start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        shown = subprocess.run(
            command(place, "--dry-run", "--quiet", "rules"), capture_output=True, text=True
        )
        seconds.append(time.perf_counter() - start)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        processor.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        if shown.returncode:
            raise SystemExit(shown.stderr + shown.stdout)
    jobs = next(line for line in shown.stdout.splitlines() if line.startswith("total")).split()[1]
    return jobs, f"{min(seconds):.1f} s", f"{min(processor):.1f} s"


def run(place):
    """Seconds of a run, those in which no script was at work, and their share."""
    start = time.perf_counter()
    with open(place / "log", "w") as log:
        process = subprocess.Popen(command(place), stdout=log, stderr=log)
    looks = idle = 0
    while process.poll() is None:
        looks += 1
        idle += not scripts_of(process.pid)
        time.sleep(0.05)
    seconds = time.perf_counter() - start
    if process.returncode:
        raise SystemExit((place / "log").read_text()[-3000:])
    share = idle / looks
    return [f"{seconds:.0f} s", f"{share * seconds:.1f} s", f"{100 * share:.0f} %"]


def scripts_of(pid):
    """Child processes that run a job's script."""
    return [
        child
        for children in Path(f"/proc/{pid}/task").glob("*/children")
        for child in _read(children).decode().split()
        if b".snakemake/scripts/" in _read(Path(f"/proc/{child}/cmdline"))
    ]


def _read(path):
    """The bytes of a file of /proc; none where the thread or process has ended since."""
    with contextlib.suppress(OSError):
        return path.read_bytes()
    return b""


if __name__ == "__main__":
    main()
