"""Time our series matrix reader against R's GEOquery and Python's GEOparse on the same files.

    python benchmarks/read_matrix.py GSE1_series_matrix.txt.gz ... [--geoparse PYTHON]

Run by hand. GEOquery needs Rscript with GEOquery; GEOparse a Python that has GEOparse and six
(--geoparse, or this one). Every reading happens in a process of its own that has loaded its
packages before the clock starts; the median of five is shown, and our peak memory beyond the
loaded packages. GEOparse cannot read a series matrix: it gets the same values as a SOFT family file
with a table a sample, which is the way it offers a series.
"""

import argparse
import gzip
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"
TIMES = 5

# VmHWM is the process's own peak (Linux); ru_maxrss would begin with that of its parent.
OURS = """
import io, re, sys, time
sys.path.insert(0, sys.argv[2])
import numpy, pandas
from neuroimmune.geo.matrix import read_matrix
pandas.read_csv(io.StringIO("a\\n1\\n"))
peak = lambda: int(re.search("VmHWM:\\\\s+([0-9]+)", open("/proc/self/status").read())[1])
before = peak()
start = time.perf_counter()
table = read_matrix(sys.argv[1])[2]
seconds = time.perf_counter() - start
print(seconds, *table.shape, peak() - before)
"""
GEOQUERY = """
suppressPackageStartupMessages(library(GEOquery))
path <- commandArgs(TRUE)[1]
seconds <- system.time(suppressMessages(found <- getGEO(filename = path, getGPL = FALSE)))
cat(seconds[["elapsed"]], dim(exprs(found)))
"""
GEOPARSE = """
import sys, time
import GEOparse
start = time.perf_counter()
series = GEOparse.get_GEO(filepath=sys.argv[1], silent=True)
table = series.pivot_samples("VALUE")
print(time.perf_counter() - start, *table.shape)
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--geoparse", default=sys.executable, help="a Python that has GEOparse")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for path in options.files:
            size = len(gzip.decompress(path.read_bytes()))
            soft = write_soft(path, Path(folder))
            found = {
                "ours": measure([sys.executable, "-c", OURS, path, SCRIPTS]),
                "GEOquery": measure(["Rscript", "-e", GEOQUERY, path]),
                "GEOparse": measure([options.geoparse, "-c", GEOPARSE, soft]),
            }
            seconds, shape, memory = found["ours"]
            print(
                f"{path.name}: {shape[0]} x {shape[1]}, {size / 2**20:.1f} MiB unpacked; ours: "
                f"{seconds:.2f} s, peak memory {1024 * memory / size:.1f} x the unpacked file"
            )
            for name in ("GEOquery", "GEOparse"):
                other, other_shape, _ = found[name]
                if not other:
                    print(f"  {name}: not installed")
                    continue
                if other_shape != shape:
                    raise SystemExit(f"{name} read {other_shape}")
                print(f"  {name}: {other:.2f} s, {other / seconds:.1f} times ours")


def measure(command):
    """(median seconds, shape, peak memory in KiB or None) of the command's reports."""
    if not shutil.which(str(command[0])):
        return None, None, None
    reports = []
    for _ in range(TIMES):
        run = subprocess.run([str(word) for word in command], capture_output=True, text=True)
        if run.returncode:
            if "GEOparse" in run.stderr or "GEOquery" in run.stderr:
                print(run.stderr.strip().splitlines()[-1], file=sys.stderr)
                return None, None, None
            raise SystemExit(run.stderr)
        reports.append(run.stdout.split())
    memory = [int(report[3]) for report in reports if len(report) > 3]
    return (
        statistics.median(float(report[0]) for report in reports),
        tuple(map(int, reports[0][1:3])),
        max(memory, default=None),
    )


def write_soft(path, folder):
    """The series matrix as a SOFT family file: its values, one table a sample."""
    sys.path.insert(0, str(SCRIPTS))
    from neuroimmune.geo.matrix import read_matrix

    series, samples, table = read_matrix(path)
    accession = path.name.split("_")[0]
    soft = folder / f"{accession}_family.soft.gz"
    with gzip.open(soft, "wt", compresslevel=6) as stream:
        stream.write(f"^DATABASE = GeoMiame\n^SERIES = {accession}\n")
        stream.write(f"!Series_geo_accession = {accession}\n")
        for sample in samples:
            name = sample["geo_accession"]
            stream.write(f"^SAMPLE = {name}\n!Sample_geo_accession = {name}\n")
            for key, value in sample["characteristics"].items():
                stream.write(f"!Sample_characteristics_ch1 = {key}: {value}\n")
            stream.write("#ID_REF =\n#VALUE =\n!sample_table_begin\n")
            table[name].rename("VALUE").to_csv(stream, sep="\t", lineterminator="\n")
            stream.write("!sample_table_end\n")
    return soft


if __name__ == "__main__":
    main()
