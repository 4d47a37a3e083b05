"""Time the whole workflow on one array study against a short R script (GEOquery, limma, fry).

    python benchmarks/bulk_vs_r.py [--geo TREE --studies FOLDER --study ID] [--times 3] [--table]

Run by hand; needs Rscript with GEOquery and limma. Without arguments the simulated GSE9000001.
Both read local files and use one core. The R script does a part of the work: no sample checks, no
matched controls, permutations, other scorers or report, and one covariate-free model. The least
of `times` runs is shown, elapsed and of processor time; --table puts it into docs/performance.md.
"""

import argparse
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tables import put

ROOT = Path(__file__).resolve().parents[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--geo", type=Path, default=ROOT / "demo" / "geo")
    parser.add_argument("--studies", type=Path, default=ROOT / "demo" / "studies")
    parser.add_argument("--study", nargs="+", default=["GSE9000001"])
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    if not shutil.which("Rscript"):
        raise SystemExit("Rscript is not installed")
    rows = []
    for study in options.study:
        rows += compare(options, study)
    if options.table:
        header = ["study", "", "elapsed", "processor time", "what it does"]
        put("performance.md", "bulk", header, rows)


def compare(options, study):
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        config = folder / "config.yaml"
        config.write_text(
            f"studies_dir: {options.studies.absolute()}\nstudies: [{study}]\n"
            f"geo: {{base_url: 'file:{options.geo.absolute()}'}}\n"
        )
        run = folder / "run"
        command = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile"]
        command += ["--configfile", config, "--directory", run, "--cores", "1"]

        def fresh():
            shutil.rmtree(run, ignore_errors=True)

        ours = measure(command, options.times, fresh)
        results = run / "results" / study
        downloads = list((run / "resources" / "geo").rglob("*.gz"))
        matrix = next(path for path in downloads if "series_matrix" in path.name)
        annotation = next(path for path in downloads if ".annot." in path.name)
        panel = ROOT / "config" / "panels" / "neuroimmune_panels.tsv"
        script = ["Rscript", ROOT / "benchmarks" / "bulk.R", matrix, annotation]
        script += [results / "samples.tsv", panel, folder / "r"]
        theirs = measure(script, options.times, lambda: None)
        scripts = sum(
            float(path.read_text().splitlines()[1].split("\t")[0])
            for path in (run / "results" / "benchmarks").rglob("*.tsv")
        )
        samples = len((results / "samples.tsv").read_text().splitlines()) - 1
    name = f"{study}, {samples} samples"
    rows = [
        [name, "workflow", *ours, f"everything, report included; {scripts:.0f} s in scripts"],
        [name, "R script", *theirs, "read, collapse, limma, fry"],
    ]
    print(*rows, sep="\n", flush=True)
    return rows


def measure(command, times, before):
    """Least seconds, elapsed and of processor time."""
    elapsed, processor = [], []
    for _ in range(times):
        before()
        start, used = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        shown = subprocess.run([str(word) for word in command], capture_output=True, text=True)
        elapsed.append(time.perf_counter() - start)
        now = resource.getrusage(resource.RUSAGE_CHILDREN)
        processor.append(now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime)
        if shown.returncode:
            raise SystemExit(shown.stdout[-2000:] + shown.stderr[-2000:])
    return f"{min(elapsed):.0f} s", f"{min(processor):.0f} s"


if __name__ == "__main__":
    main()
