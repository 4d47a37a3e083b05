"""How time and memory of every rule grow with the samples of a study and with the gene sets.

    python benchmarks/growth.py [--samples 12 48 192] [--sets 1 4] [--table]

Run by hand. One simulated study of counts (the demo's GSE9000002, its donors drawn again with
Poisson noise) runs through the workflow; Snakemake's benchmark files give processor time and peak
memory of every job. Shown is the log-log slope from the first to the last size: 0 does not grow, 1
grows in proportion. Sets are multiplied by copies under other names. --table puts the result into
docs/performance.md.
"""

import argparse
import csv
import gzip
import math
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from tables import put

ROOT = Path(__file__).resolve().parents[1]
DEMO = ROOT / "demo/geo/series/GSE9000nnn/GSE9000002/suppl/GSE9000002_counts.txt.gz"
STUDY = """\
accession: GSE9000002
title: SIMULATED counts of many donors
organism: Homo sapiens
tissue: PBMC
assay: rnaseq
role: method check
simulated: true
source: {kind: counts_table, file: GSE9000002_counts.txt.gz, metadata: samples_table}
samples: {}
contrasts:
  case_vs_control: {question: other, case: case, reference: control}
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--samples", type=int, nargs="+", default=[12, 48, 192])
    parser.add_argument("--sets", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    by_samples = [measure(n, 1) for n in options.samples]
    by_sets = [by_samples[0] if k == 1 else measure(options.samples[0], k) for k in options.sets]
    rows = []
    for rule in by_samples[0]:
        row = [rule]
        for unit, number in (("s", 0), ("MB", 1)):
            row += [
                f"{found[rule][number]:.1f} {unit}" for found in (by_samples[0], by_samples[-1])
            ]
            row.append(f"{slope(by_samples, options.samples, rule, number):.2f}")
        row.append(f"{slope(by_sets, options.sets, rule, 0):.2f}")
        rows.append(row)
    first, last = options.samples[0], options.samples[-1]
    header = ["rule", f"time, {first} samples", f"{last}", "slope", "memory", f"{last} samples"]
    header += ["slope", f"time by sets, slope to {options.sets[-1]} times as many"]
    print(header, *rows, sep="\n")
    if options.table:
        put("performance.md", "growth", header, rows)


def slope(found, sizes, rule, number):
    first, last = (max(each[rule][number], 0.01) for each in (found[0], found[-1]))
    return math.log(last / first) / math.log(sizes[-1] / sizes[0])


def measure(samples, times):
    """Rule -> (seconds of processor time, peak memory in MB) of its largest job."""
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        write_study(folder, samples)
        write_panels(folder, times)
        (folder / "config.yaml").write_text(
            f"studies_dir: {folder}\nstudies: [study]\ngeo: {{base_url: 'file:{folder}/geo'}}\n"
            f"panels: {{sets: {folder}/sets.tsv, members: {folder}/members.tsv}}\n"
        )
        command = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile"]
        command += ["--configfile", folder / "config.yaml", "--directory", folder / "run"]
        run = subprocess.run(
            [str(word) for word in [*command, "--cores", "1"]], capture_output=True, text=True
        )
        if run.returncode:
            raise SystemExit((run.stdout + run.stderr)[-3000:])
        found = {}
        for path in (folder / "run/results/benchmarks").rglob("*.tsv"):
            rule = path.relative_to(folder / "run/results/benchmarks").parts[0].split(".")[0]
            row = next(csv.DictReader(path.open(), delimiter="\t"))
            cost = float(row["cpu_time"]), float(row["max_rss"])
            found[rule] = max(found.get(rule, cost), cost)
        print(samples, "samples, sets times", times, found, flush=True)
        return dict(sorted(found.items()))


def write_study(folder, n):
    random = np.random.default_rng(1)
    demo = pd.read_csv(DEMO, sep="\t", index_col=0)
    draw = demo.to_numpy()[:, random.integers(0, demo.shape[1], n)]
    counts = random.poisson(draw * random.lognormal(0, 0.2, draw.shape))
    names = [f"S{i}" for i in range(n)]
    target = folder / "geo/series/GSE9000nnn/GSE9000002/suppl"
    target.mkdir(parents=True)
    with gzip.open(target / DEMO.name, "wt") as stream:
        pd.DataFrame(counts, demo.index, names).to_csv(stream, sep="\t")
    (folder / "study").mkdir()
    (folder / "study" / "study.yaml").write_text(STUDY)
    lines = ["sample\tsubject\tgroup\ttreatment\tnote"]
    lines += [f"S{i}\tdonor {i}\t{('case', 'control')[i % 2]}\tnone\tsimulated" for i in range(n)]
    (folder / "study" / "samples.tsv").write_text("\n".join(lines) + "\n")


def write_panels(folder, times):
    panels = ROOT / "config" / "panels"
    for source, name in (("neuroimmune_panel_sets", "sets"), ("neuroimmune_panels", "members")):
        table = pd.read_csv(panels / f"{source}.tsv", sep="\t", dtype=str, keep_default_na=False)
        copies = [table]
        for number in range(1, times):
            copies.append(table.assign(set_id=table["set_id"] + f"_copy{number}"))
        pd.concat(copies).to_csv(folder / f"{name}.tsv", sep="\t", index=False)


if __name__ == "__main__":
    main()
