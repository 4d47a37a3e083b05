"""A simulated study of 200 donors and a million cells through the whole workflow.

    python benchmarks/million_cells.py [--donors 20 200] [--cells 5000] [--folder DIR] [--table]

Run by hand. Each donor has one 10x .h5 file in RAW.tar, of 20,000 genes of which 7 % are above
zero in a cell; half of the donors are cases. Planted: in monocytes of cases, and in no other cell,
the genes of one set are 1.3 (log2) up. Shown is for each rule and number of donors the processor
time of its jobs together and the largest peak memory of one, from Snakemake's own benchmark files,
the log-log slope of both (1 is proportional), and what the verdicts say of the planted set. A
study in --folder that was run before is not run again. --table puts the result into
docs/performance.md.
"""

import argparse
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from growth import slope
from scipy import sparse
from tables import put

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "demo"))
import make_demo  # noqa: E402

STUDY = "GSE9000901"
N_GENES, FILLED, POOL = 20_000, 0.07, 5000
PLANTED = "adr_beta_camp_signalling"
# Marker set -> share of a donor's cells.
TYPES = {
    "conf_bcell": 0.2,
    "conf_cd4_t": 0.4,
    "conf_nk": 0.15,
    "conf_monocyte_classical": 0.25,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--donors", type=int, nargs="+", default=[20, 200])
    parser.add_argument("--cells", type=int, default=5000, help="of a donor")
    parser.add_argument("--folder", type=Path, help="keep the files here")
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    place = options.folder or Path(tempfile.mkdtemp())
    try:
        found = {}
        for n in options.donors:
            folder = place.resolve() / str(n)
            if not (folder / "made").exists():
                make(folder, n, options.cells)
                (folder / "made").touch()
            if not (folder / "minutes").exists():
                run(folder)
            found[n] = used(folder / "run/results/benchmarks")
            show_planted(folder)
        note = "; ".join(
            f"{n} donors: {n * options.cells:,} cells, "
            f"{(place / str(n) / 'minutes').read_text()} minutes elapsed"
            for n in options.donors
        )
        header, rows = compared(found, options.cells)
        if options.table:
            put("performance.md", "million", header, rows, f"{note}.")
        else:
            print(pd.DataFrame(rows, columns=header).to_string(index=False), note, sep="\n")
    finally:
        if options.folder is None:
            shutil.rmtree(place)


def run(folder):
    """Run the workflow on all cores, and keep the minutes that it takes."""
    start = time.perf_counter()
    words = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    words += ["--cores", "all", "--configfile", str(folder / "config.yaml")]
    words += ["--directory", str(folder / "run"), "--quiet", "rules", "--rerun-incomplete"]
    subprocess.run(words, check=True)
    (folder / "minutes").write_text(f"{(time.perf_counter() - start) / 60:.0f}")


def used(folder):
    """Rule -> (seconds of processor time of all its jobs, GB of the one that took most)."""
    found = {}
    for rule in sorted(path for path in folder.iterdir() if path.is_dir()):
        table = pd.concat([pd.read_csv(path, sep="\t") for path in sorted(rule.rglob("*.tsv"))])
        table = table[["cpu_time", "max_rss"]].apply(pd.to_numeric, errors="coerce")
        found[rule.name] = table["cpu_time"].sum(), table["max_rss"].max() / 1024
    return found


def compared(found, n_cells):
    """(header, rows): a rule a row, time and memory by number of cells, then their slopes."""
    numbers = sorted(found)
    header = ["rule"]
    for n in numbers:
        header += [f"time, {n * n_cells:,} cells", "peak memory"]
    header += ["slope of time", "of memory"] if len(numbers) > 1 else []
    rows = []
    for rule in found[numbers[-1]]:
        row = [rule]
        for n in numbers:
            seconds, peak = found[n][rule]
            row += [f"{seconds:,.0f} s", f"{peak:.2f} GB"]
        if len(numbers) > 1:
            costs = [found[n] for n in numbers]
            row += [f"{slope(costs, numbers, rule, number):.2f}" for number in (0, 1)]
        rows.append(row)
    return header, rows


def show_planted(folder):
    verdicts = pd.read_csv(folder / "run/results/synthesis/verdicts.tsv", sep="\t")
    columns = ["stratum", "verdict", "log2_fold_change", "n_case", "n_reference"]
    print(verdicts.loc[verdicts["set_id"] == PLANTED, columns].to_string(index=False))


def make(folder, n_donors, n_cells):
    rng = np.random.default_rng(9000901)
    genes, sets = genes_of()
    pool = pool_of(sets, rng)
    accessions = [f"GSM992{n:05d}" for n in range(1, n_donors + 1)]
    groups = ["case" if n % 2 else "control" for n in range(n_donors)]
    make_demo.GEO = folder / "geo"
    make_demo.write_series_matrix(
        STUDY,
        {
            "title": "SIMULATED cells for a benchmark",
            "summary": "Simulated; nothing here was measured.",
            "overall_design": f"Simulated: {n_donors} donors.",
            "type": "Expression profiling by high throughput sequencing",
            "supplementary_file": f"{STUDY}_RAW.tar",
            "platform_id": "GPL9000002",
        },
        make_demo._sequencing(
            [f"SIMULATED cells, donor {n}" for n in range(1, n_donors + 1)],
            accessions,
            "blood mononuclear cells",
            [[f"group: {group}" for group in groups]],
            "GPL9000002",
        ),
    )
    suppl = folder / "geo/series" / f"{STUDY[:-3]}nnn" / STUDY / "suppl"
    suppl.mkdir(parents=True, exist_ok=True)
    with tarfile.open(suppl / f"{STUDY}_RAW.tar", "w") as tar:
        for accession, group in zip(accessions, groups, strict=True):
            path = folder / "one.h5"
            counts = donor_cells(pool, sets, group, n_cells, rng)
            write_h5(path, counts, genes, rng)
            tar.add(path, f"{accession}_filtered_feature_bc_matrix.h5")
            path.unlink()
    study = folder / "studies" / STUDY
    study.mkdir(parents=True, exist_ok=True)
    (study / "study.yaml").write_text(
        f"accession: {STUDY}\n"
        "title: SIMULATED cells for a benchmark\n"
        "organism: Homo sapiens\ntissue: PBMC\nassay: scrnaseq\nrole: primary\nsimulated: true\n"
        "source:\n  kind: tenx\n"
        "samples:\n  treatment:\n    value: none\n"
        "contrasts:\n  case_vs_control:\n    question: aiha_vs_healthy\n"
        "    case: case\n    reference: control\n"
    )
    pd.DataFrame(
        {
            "sample": accessions,
            "subject": [f"D{n}" for n in range(1, n_donors + 1)],
            "group": groups,
            "fraction": "whole",
            "note": "simulated",
        }
    ).to_csv(study / "samples.tsv", sep="\t", index=False)
    (folder / "config.yaml").write_text(
        f"studies_dir: {folder}/studies\nstudies: [{STUDY}]\n"
        f"geo: {{base_url: 'file:{folder}/geo'}}\n"
    )


def genes_of():
    """(rows of id and symbol, set -> mask): the panel's genes, then genes of no set."""
    panel = pd.read_csv(make_demo.PANELS / "panel_genes.tsv", sep="\t", dtype=str)
    panel = panel.dropna(subset=["ensembl_gene_id"]).drop_duplicates("ensembl_gene_id")
    members = pd.read_csv(make_demo.PANELS / "neuroimmune_panels.tsv", sep="\t", dtype=str)
    genes = list(zip(panel["ensembl_gene_id"], panel["symbol"], strict=True))
    genes += [(f"ENSG{n:011d}", f"SIM{n}") for n in range(99000000001, 99000020001)]
    genes = genes[:N_GENES]
    names = np.array([symbol for _, symbol in genes])
    sets = {name: np.isin(names, rows["gene_symbol"]) for name, rows in members.groupby("set_id")}
    return genes, sets


def pool_of(sets, rng):
    """Cells x genes, POOL of each type in turn, from which the cells of donors are drawn."""
    level = rng.lognormal(0, 1.6, N_GENES)
    markers = {kind: sets[kind] for kind in TYPES}
    level[sets["conf_mitochondrial"]] = 0.03 * level.sum() / sets["conf_mitochondrial"].sum()
    for name in ("conf_erythroid_reticulocyte", "conf_globins", "conf_platelet"):
        level[sets[name]] = 0
    level[sets[PLANTED]] = 3
    blocks = []
    for own in markers.values():
        rate = level * rng.lognormal(0, 0.4, N_GENES)
        rate[np.logical_or.reduce(list(markers.values()))] = 0
        rate[own] = 20
        scale = 1.0
        for _ in range(40):  # so that the wanted share of the counts is not zero
            scale *= FILLED / (1 - np.exp(-rate * scale)).mean()
        rate *= scale * 1.3  # a part of the counts goes again, in donor_cells
        for _ in range(POOL // 100):
            depth = rng.lognormal(0, 0.3, (100, 1))
            blocks.append(sparse.csr_matrix(rng.poisson(rate * depth).astype("i4")))
    return sparse.vstack(blocks, format="csr")


def donor_cells(pool, sets, group, n_cells, rng):
    """Cells x genes of one donor: drawn from the pool, each gene thinned to the donor's share."""
    mix = rng.dirichlet(60 * np.array(list(TYPES.values())))
    of_cell = rng.choice(len(TYPES), n_cells, p=mix)
    rows = of_cell * POOL + rng.integers(0, POOL, n_cells)
    counts = pool[rows]
    share = np.clip(0.75 * 2 ** rng.normal(0, 0.15, N_GENES), 0, 1) * np.ones((len(TYPES), 1))
    monocytes = list(TYPES).index("conf_monocyte_classical")
    share[:, sets[PLANTED]] *= 2**-1.3
    if group == "case":
        share[monocytes, sets[PLANTED]] *= 2**1.3
    of_count = np.repeat(of_cell, np.diff(counts.indptr))
    counts.data = rng.binomial(counts.data, share[of_count, counts.indices]).astype("i4")
    counts.eliminate_zeros()
    return counts


def write_h5(path, counts, genes, rng):
    """The HDF5 of Cell Ranger 3 and later, compressed as there."""
    letters = rng.choice(list(b"ACGT"), (counts.shape[0], 16)).astype("u1")
    packed = {"compression": "gzip", "compression_opts": 1, "shuffle": True}
    with h5py.File(path, "w") as h5:
        group = h5.create_group("matrix")
        group["barcodes"] = np.array([bytes(row) + b"-1" for row in letters])
        group.create_dataset("data", data=counts.data, **packed)
        group.create_dataset("indices", data=counts.indices.astype("i8"), **packed)
        group["indptr"] = counts.indptr.astype("i8")
        group["shape"] = np.array(counts.shape[::-1], "i4")
        features = group.create_group("features")
        features["id"] = np.array([identifier for identifier, _ in genes], "S")
        features["name"] = np.array([symbol for _, symbol in genes], "S")
        features["feature_type"] = np.array(["Gene Expression"] * len(genes), "S")
        features["genome"] = np.array(["GRCh38"] * len(genes), "S")


if __name__ == "__main__":
    main()
