"""Make the demo data: a small SIMULATED copy of GEO's tree with planted truths (README.md).

Run as `python demo/make_demo.py`; it writes demo/geo/ and nothing else. No number in it was
measured. Every run gives the same bytes: the seed is fixed, numpy's RandomState keeps its
stream between versions, and gzip stores no time.
"""

import csv
import gzip
import io
import os
import tarfile
from pathlib import Path

import numpy as np

DEMO = Path(__file__).resolve().parent
PANELS = DEMO.parent / "config" / "panels"
GEO = DEMO / "geo"
SEED = 9000001

N_BACKGROUND = 3000
FIRST_BACKGROUND_ENTREZ = 990000001  # far above any identifier that NCBI has given out
FIRST_BACKGROUND_ENSEMBL = 99000000001
NOT_EXPRESSED = -np.inf
CARRIER = "np_neuromedin_bombesin"  # the neuroimmune set that follows the reticulocytes
GLOBIN_SHARE = {"HBA1": 0.3, "HBA2": 0.3, "HBB": 0.4}  # of the reads of these three
# Genes of conf_sex on the Y chromosome; the others are on the X.
Y_GENES = "RPS4Y1 DDX3Y KDM5D EIF1AY UTY USP9Y ZFY PRKY TXLNGY".split()

# title, diagnosis, treatment, sex, age, reticulocyte factor. The factor has the same mean in
# treated and untreated patients, so that either truth can be told from the other.
ARRAY_SAMPLES = (
    ("AIHA patient 01", "warm AIHA", "prednisolone", "female", 61, 0.3),
    ("AIHA patient 02", "warm AIHA", "prednisolone", "male", 47, 1.0),
    ("AIHA patient 03", "warm AIHA", "prednisolone", "female", 35, 1.3),
    ("AIHA patient 04", "warm AIHA", "prednisolone", "male", 72, 1.5),
    ("AIHA patient 05", "warm AIHA", "prednisolone", "female", 54, 1.9),
    ("AIHA patient 06", "warm AIHA", "prednisolone", "male", 66, 2.4),
    ("AIHA patient 07", "warm AIHA", "none", "female", 29, 0.9),
    ("AIHA patient 08", "warm AIHA", "none", "male", 58, 1.9),
    ("healthy donor 01", "healthy", "none", "female", 44, -0.6),
    ("healthy donor 02", "healthy", "none", "male", 63, -0.4),
    ("healthy donor 03", "healthy", "none", "female", 52, -0.2),
    ("healthy donor 04", "healthy", "none", "male", 31, 0.0),
    ("healthy donor 05", "healthy", "none", "female", 68, 0.1),
    ("healthy donor 06", "healthy", "none", "male", 57, 0.3),
    ("healthy donor 07", "healthy", "none", "female", 38, 0.35),
    ("healthy donor 08", "healthy", "none", "male", 49, 0.45),
    ("healthy donor 09", "healthy", "none", "female", 55, 0.0),  # failed hybridisation
)
# donor, sex, age
DONORS = (
    ("donor 1", "female", 27),
    ("donor 2", "male", 34),
    ("donor 3", "female", 41),
    ("donor 4", "male", 30),
    ("donor 5", "female", 52),
    ("donor 6", "male", 45),
)
# title, phase, treatment, sex, age, share of reads from HBA1, HBA2 and HBB
BLOOD_SAMPLES = (
    ("AIHA patient 21", "relapse", "prednisolone and rituximab", "female", 59, 0.45),
    ("AIHA patient 22", "relapse", "prednisolone and rituximab", "male", 64, 0.60),
    ("AIHA patient 23", "relapse", "prednisolone and rituximab", "female", 42, 0.38),
    ("AIHA patient 24", "relapse", "prednisolone and rituximab", "male", 71, 0.52),
    ("AIHA patient 25", "relapse", "prednisolone and rituximab", "female", 37, 0.41),
    ("AIHA patient 26", "remission", "none", "male", 50, 0.22),
    ("AIHA patient 27", "remission", "none", "female", 66, 0.35),
    ("AIHA patient 28", "remission", "none", "male", 33, 0.28),
    ("AIHA patient 29", "remission", "none", "female", 48, 0.40),
    ("AIHA patient 30", "remission", "none", "male", 62, 0.20),
    ("cell line", "cell line", "", "male", 53, 0.30),
)

# title, subject, diagnosis, sex, age, fraction
CELL_SAMPLES = (
    ("AIHA patient 41", "warm AIHA", "female", 51, "whole"),
    ("AIHA patient 42", "warm AIHA", "male", 39, "whole"),
    ("AIHA patient 43", "warm AIHA", "female", 64, "whole"),
    ("healthy donor 41", "healthy", "male", 48, "whole"),
    ("healthy donor 42", "healthy", "female", 36, "whole"),
    ("healthy donor 43", "healthy", "female", 59, "adherent"),
    ("healthy donor 43", "healthy", "female", 59, "non-adherent"),
    ("AIHA patient 44", "warm AIHA", "male", 44, "whole"),  # files that do not fit together
)
# Cell type -> set of its markers, and cells of it in a whole sample and in the two fractions.
CELL_TYPES = {
    "B cell": ("conf_bcell", {"whole": 35, "adherent": 8, "non-adherent": 28}),
    "CD4 T cell": ("conf_cd4_t", {"whole": 45, "adherent": 8, "non-adherent": 40}),
    "classical monocyte": (
        "conf_monocyte_classical",
        {"whole": 40, "adherent": 36, "non-adherent": 6},
    ),
}
CELL_BACKGROUND = 800  # of the background genes, those in the single-cell series


def main():
    genes = make_genes(np.random.RandomState([SEED, 0]))
    make_array_series(genes, np.random.RandomState([SEED, 1]))
    make_paired_counts(genes, np.random.RandomState([SEED, 2]))
    make_ncbi_counts(genes, np.random.RandomState([SEED, 3]))
    make_cells(genes, np.random.RandomState([SEED, 4]))


def make_genes(rng):
    """All panel genes and the background: dict of arrays, one value a gene.

    'abundance' is the mean log2 expression in blood on an array's scale, -inf for a gene that
    blood does not express; 'sets' maps a set to its genes (boolean).
    """
    panel = _read_tsv(PANELS / "panel_genes.tsv")
    members = _read_tsv(PANELS / "neuroimmune_panels.tsv")
    background = range(1, N_BACKGROUND + 1)
    symbol = [row["symbol"] for row in panel] + [f"SIM{n:04d}" for n in background]
    entrez = [row["entrez_id"] for row in panel]
    entrez += [str(FIRST_BACKGROUND_ENTREZ - 1 + n) for n in background]
    ensembl = [row["ensembl_gene_id"] for row in panel]
    ensembl += [f"ENSG{FIRST_BACKGROUND_ENSEMBL - 1 + n:011d}" for n in background]
    title = [row["name"] for row in panel] + ["simulated background gene"] * N_BACKGROUND
    number = {name: index for index, name in enumerate(symbol)}

    sets, in_blood = {}, {}
    for row in members:
        gene = row["gene_symbol"]
        sets.setdefault(row["set_id"], np.zeros(len(symbol), dtype=bool))[number[gene]] = True
        # "yes" in one set outweighs "low" in another.
        in_blood[gene] = max(in_blood.get(gene, "no"), row["expected_in_blood"], key=_BLOOD.index)
    abundance = np.where(
        rng.uniform(size=len(symbol)) < 0.75,
        np.clip(rng.normal(7.9, 1.6, len(symbol)), 4.8, 13),
        NOT_EXPRESSED,
    )
    yes = np.clip(rng.normal(8.3, 1.3, len(symbol)), 6.3, 12)
    low = np.clip(rng.normal(6.1, 0.7, len(symbol)), 4.6, 7.6)
    for gene, expected in in_blood.items():
        at = number[gene]
        abundance[at] = {"yes": yes[at], "low": low[at], "unknown": low[at], "no": NOT_EXPRESSED}[
            expected
        ]
    abundance[sets["chol_nicotinic_receptors"]] = NOT_EXPRESSED
    for gene in GLOBIN_SHARE:
        abundance[number[gene]] = 12
    # The carrier set needs its few expressed genes well above the noise floor.
    carrier = sets[CARRIER] & np.isfinite(abundance)
    abundance[carrier] = np.maximum(abundance[carrier], 7)
    return {
        "symbol": np.array(symbol),
        "entrez": np.array(entrez),
        "ensembl": np.array(ensembl),
        "title": np.array(title),
        "abundance": abundance,
        "sets": sets,
    }


_BLOOD = ("no", "unknown", "low", "yes")


def glucocorticoid_response(genes, exposed, size, rng):
    """log2 change, genes x samples: `size` up in gr_response_up, down in gr_response_down."""
    response = np.zeros(len(genes["symbol"]))
    for name, sign in (("gr_response_up", 1), ("gr_response_down", -1)):
        chosen = genes["sets"][name]
        response[chosen] = sign * rng.normal(size, 0.2, chosen.sum())
    return np.outer(response, exposed)


def reticulocyte_response(genes, factor, rng):
    """log2 change, genes x samples, of erythroid genes, globins and the carrier set."""
    loading = np.zeros(len(genes["symbol"]))
    for name, size in (
        ("conf_globins", 0.4),
        ("conf_erythroid_reticulocyte", 0.8),
        (CARRIER, 0.75),
    ):
        chosen = genes["sets"][name]
        loading[chosen] = rng.normal(size, 0.05, chosen.sum())
    return np.outer(loading, factor)


def sex_response(genes, sex):
    """log2 change, genes x samples: no Y genes in women, no XIST in men, some X genes up."""
    female = np.array([value == "female" for value in sex])
    change = np.zeros((len(genes["symbol"]), len(sex)))
    y_gene = np.isin(genes["symbol"], Y_GENES)
    xist = genes["symbol"] == "XIST"
    change[np.ix_(y_gene, female)] = NOT_EXPRESSED
    change[np.ix_(xist, ~female)] = NOT_EXPRESSED
    change[np.ix_(genes["sets"]["conf_sex"] & ~y_gene & ~xist, female)] = 0.4
    return change


def subject_noise(n_genes, groups, rng):
    """log2 noise, genes x samples: each gene by itself, and factors that many genes share.

    The shared factors have mean 0 in every group: they are noise and never a difference.
    """
    groups = np.array(groups)
    factors = rng.normal(size=(4, len(groups)))
    for group in set(groups):
        factors[:, groups == group] -= factors[:, groups == group].mean(axis=1, keepdims=True)
    overall = np.outer(rng.normal(1, 0.2, n_genes), 0.1 * factors[0])
    shared = rng.normal(0, 0.08, (n_genes, 3)) @ factors[1:]
    own = rng.uniform(0.25, 0.35, (n_genes, 1)) * rng.normal(size=(n_genes, len(groups)))
    return overall + shared + own


def make_array_series(genes, rng):
    """GSE9000001 on GPL9000001: AIHA against healthy, whole blood, log2 intensities."""
    title, diagnosis, treatment, sex, age, factor = zip(*ARRAY_SAMPLES, strict=True)
    aiha = np.array([value == "warm AIHA" for value in diagnosis])
    treated = np.array([value == "prednisolone" for value in treatment])
    n_genes = len(genes["symbol"])
    adrenergic = genes["sets"]["adr_beta_camp_signalling"] * rng.normal(0.8, 0.1, n_genes)
    signal = (
        genes["abundance"][:, None]
        + np.outer(adrenergic, aiha)
        + reticulocyte_response(genes, factor, rng)
        + glucocorticoid_response(genes, treated, 0.9, rng)
        + sex_response(genes, sex)
        + subject_noise(n_genes, diagnosis, rng)
    )
    probes, values = make_probes(genes, signal, rng)
    values[:, -1] = rng.normal(5.5, 0.3, len(values))  # failed hybridisation: a flat profile
    accessions = [f"GSM990001{n:02d}" for n in range(1, len(title) + 1)]
    percent = [f"{1.2 * 3**value:.1f}" for value in factor]
    write_series_matrix(
        "GSE9000001",
        {
            "title": "SIMULATED whole blood of warm AIHA and healthy donors, array",
            "summary": "Simulated data for the demo of a workflow; nothing here was measured.",
            "overall_design": "Simulated: 8 patients with warm AIHA (6 on prednisolone), 8 "
            "healthy donors, and one failed hybridisation.",
            "type": "Expression profiling by array",
            "supplementary_file": "NONE",
            "platform_id": "GPL9000001",
        },
        {
            "title": [f"SIMULATED whole blood, {name}" for name in title],
            "geo_accession": accessions,
            "type": "RNA",
            "source_name_ch1": "whole blood",
            "characteristics_ch1": [
                [f"diagnosis: {value}" for value in diagnosis],
                [f"treatment: {value}" for value in treatment],
                [f"Sex: {value}" for value in sex],
                [f"age: {value} y" for value in age],
                [f"reticulocytes (%): {value}" for value in percent],
            ],
            "molecule_ch1": "total RNA",
            "label_ch1": "biotin",
            "description": ["simulated"] * 16 + ["simulated; flat profile, control spots failed"],
            "data_processing": "simulated as log2 intensities after background correction, "
            "quantile normalisation and summarisation (RMA)",
            "platform_id": "GPL9000001",
            "supplementary_file": "NONE",
        },
        [row["ID"] for row in probes],
        values,
    )
    write_annotation("GPL9000001", probes)


def make_probes(genes, signal, rng):
    """(annotation rows, intensities probes x samples) from log2 signals of genes."""
    symbol, entrez, title = genes["symbol"], genes["entrez"], genes["title"]
    number = {name: index for index, name in enumerate(symbol)}
    probe_genes, offset = [], []
    for gene, n in enumerate(rng.choice((1, 2, 3), len(symbol), p=(0.6, 0.3, 0.1))):
        probe_genes += [(gene,)] * n
        offset += [0, *-np.abs(rng.normal(0.5, 0.5, n - 1))]
    pairs = [(number["HBA1"], number["HBA2"]), (number["CHRNA7"], number["CHRFAM7A"])]
    pairs += [tuple(rng.choice(len(symbol), 2, replace=False)) for _ in range(60)]
    probe_genes += pairs + [()] * 80
    offset += [0] * (len(pairs) + 80)

    order = rng.permutation(len(probe_genes))
    rows, values = [], []
    for n, index in enumerate(order, start=1):
        hit = list(probe_genes[index])
        rows.append(
            {
                "ID": f"SIM{n:05d}_at",
                "Gene title": "///".join(title[hit]),
                "Gene symbol": "///".join(symbol[hit]),
                "Gene ID": "///".join(entrez[hit]),
                "Platform_SPOTID": "" if hit else "--Control",
            }
        )
        # A probe adds up what its genes give; without a gene it is a control spot.
        linear = (2 ** signal[hit]).sum(axis=0)
        if not hit:
            linear += 2 ** rng.normal(6, 2)
        values.append(linear * 2 ** offset[index])
    values = np.array(values)
    floor = rng.normal(4.4, 0.25, (len(rows), 1)) + rng.normal(0, 0.15, values.shape)
    values = np.log2(2**floor + values) + rng.normal(0, 0.08, values.shape)
    return rows, values


def make_paired_counts(genes, rng):
    """GSE9000002: PBMC of six donors, vehicle and dexamethasone, a table of counts."""
    donor, sex, age = (np.repeat(column, 2) for column in zip(*DONORS, strict=True))
    exposed = np.tile([0, 1], len(DONORS))
    agent = np.where(exposed, "dexamethasone", "vehicle")
    n_genes = len(genes["symbol"])
    adrb2 = 0.8 * (genes["symbol"] == "ADRB2")
    # PBMC hold few erythroid cells.
    erythroid = -3.0 * genes["sets"]["conf_erythroid_reticulocyte"]
    donor_noise = subject_noise(n_genes, ["donor"] * len(DONORS), rng)
    change = (
        erythroid[:, None]
        + np.outer(adrb2, exposed)
        + glucocorticoid_response(genes, exposed, 1.0, rng)
        + sex_response(genes, sex)
        + np.repeat(donor_noise, 2, axis=1)
        + 0.3 * subject_noise(n_genes, agent, rng)
    )
    globins = np.repeat(rng.uniform(0.005, 0.05, len(DONORS)), 2)
    counts = draw_counts(genes, change, globins, 0.01, rng)
    accessions = [f"GSM990002{n:02d}" for n in range(1, len(donor) + 1)]
    write_series_matrix(
        "GSE9000002",
        {
            "title": "SIMULATED PBMC of healthy donors with dexamethasone or vehicle, RNA-seq",
            "summary": "Simulated data for the demo of a workflow; nothing here was measured.",
            "overall_design": "Simulated: PBMC of 6 healthy donors, each with vehicle and with "
            "dexamethasone.",
            "type": "Expression profiling by high throughput sequencing",
            "supplementary_file": "GSE9000002_counts.txt.gz",
            "platform_id": "GPL9000002",
        },
        _sequencing(
            [f"SIMULATED PBMC, {d}, {a}" for d, a in zip(donor, agent, strict=True)],
            accessions,
            "PBMC",
            [
                [f"donor: {value.removeprefix('donor ')}" for value in donor],
                [f"agent: {value}" for value in agent],
                [f"Sex: {value}" for value in sex],
                [f"age: {value} y" for value in age],
            ],
            "GPL9000002",
        ),
    )
    # The columns stand in another order than the record: only their names may match them.
    columns = rng.permutation(len(accessions))
    write_counts(
        GEO / "series/GSE9000nnn/GSE9000002/suppl/GSE9000002_counts.txt.gz",
        "gene",
        genes["symbol"],
        [accessions[column] for column in columns],
        counts[:, columns],
    )


def make_ncbi_counts(genes, rng):
    """GSE9000003: whole blood of AIHA in relapse and in remission, counts as NCBI makes them."""
    title, phase, treatment, sex, age, globins = zip(*BLOOD_SAMPLES, strict=True)
    exposed = np.array([value == "relapse" for value in phase])
    globins = np.array(globins)
    n_genes = len(genes["symbol"])
    change = (
        reticulocyte_response(genes, np.log2(globins / 0.3), rng)
        + glucocorticoid_response(genes, exposed, 1.2, rng)
        + sex_response(genes, sex)
        + subject_noise(n_genes, phase, rng)
    )
    counts = draw_counts(genes, change, globins, 0.02, rng)
    accessions = [f"GSM990003{n:02d}" for n in range(1, len(title) + 1)]
    write_series_matrix(
        "GSE9000003",
        {
            "title": "SIMULATED whole blood of AIHA in relapse and in remission, RNA-seq",
            "summary": "Simulated data for the demo of a workflow; nothing here was measured.",
            "overall_design": "Simulated: 5 patients in relapse, all on prednisolone and "
            "rituximab, 5 others in remission, all untreated, and one cell line.",
            "type": "Expression profiling by high throughput sequencing",
            "supplementary_file": "NONE",
            "platform_id": "GPL9000002",
        },
        _sequencing(
            [f"SIMULATED whole blood, {name}" for name in title[:-1]] + ["SIMULATED cell line"],
            accessions,
            ["whole blood"] * (len(title) - 1) + ["cell line"],
            [
                [f"disease phase: {value}" for value in phase],
                [f"treatment: {value}" if value else "" for value in treatment],
                [f"Sex: {value}" for value in sex],
                [f"age: {value} y" for value in age],
            ],
            "GPL9000002",
        ),
    )
    write_counts(
        GEO / "series/GSE9000nnn/GSE9000003/rnaseq_counts"
        "/GSE9000003_raw_counts_GRCh38.p13_NCBI.tsv.gz",
        "GeneID",
        genes["entrez"],
        accessions,
        counts,
    )


def draw_counts(genes, change, globins, dispersion, rng):
    """Negative binomial counts, genes x samples, of libraries of about 3 to 6 million.

    change: log2 change of each gene; globins: share of HBA1, HBA2 and HBB together.
    """
    # Counts spread wider than intensities.
    mean = (1.25 * genes["abundance"] - 1.4)[:, None]
    silent = rng.normal(0, 0.8, mean.shape)
    expected = 2 ** np.maximum(mean + change, silent)
    globin = np.isin(genes["symbol"], list(GLOBIN_SHARE))
    expected[~globin] *= (1 - globins) / expected[~globin].sum(axis=0)
    shares = [GLOBIN_SHARE[name] for name in genes["symbol"][globin]]
    expected[globin] = np.outer(shares, globins)
    expected *= rng.uniform(3e6, 6e6, change.shape[1])
    size = 1 / dispersion
    return rng.negative_binomial(size, size / (size + expected))


def _sequencing(titles, accessions, source, characteristics, platform):
    return {
        "title": titles,
        "geo_accession": accessions,
        "type": "SRA",
        "source_name_ch1": source,
        "characteristics_ch1": characteristics,
        "molecule_ch1": "total RNA",
        "description": "simulated",
        "data_processing": "simulated as counts of reads a gene",
        "platform_id": platform,
        "library_selection": "cDNA",
        "library_source": "transcriptomic",
        "library_strategy": "RNA-Seq",
        "supplementary_file_1": "NONE",
    }


def make_cells(genes, rng):
    """GSE9000004: mononuclear cells of AIHA and healthy donors, 10x triplets in RAW.tar."""
    title, diagnosis, sex, age, fraction = zip(*CELL_SAMPLES, strict=True)
    n_panel = len(genes["symbol"]) - N_BACKGROUND
    chosen = np.arange(n_panel + CELL_BACKGROUND)
    abundance = genes["abundance"][chosen]
    sets = {name: mask[chosen] for name, mask in genes["sets"].items()}
    # Blood's erythroid and platelet genes come with cells that are not here.
    for name in ("conf_erythroid_reticulocyte", "conf_globins", "conf_platelet"):
        abundance[sets[name]] -= 5
    mitochondrial = sets["conf_mitochondrial"]
    abundance[mitochondrial] = 8
    own = {kind: sets[marker] for kind, (marker, _) in CELL_TYPES.items()}
    profiles = {}
    for kind, markers in own.items():
        level = abundance + rng.normal(0, 0.5, len(chosen))
        others = np.logical_or.reduce([mask for name, mask in own.items() if name != kind])
        level[others] -= 6
        level[markers] = 9.5
        profiles[kind] = level
    donors = {name: rng.normal(0, 0.12, len(chosen)) for name in dict.fromkeys(title)}
    planted = sets["adr_beta_camp_signalling"] * 1.3
    sexes = sex_response({**genes, "symbol": genes["symbol"][chosen], "sets": sets}, sex)
    accessions = [f"GSM990004{n:02d}" for n in range(1, len(title) + 1)]
    features = [
        f"{identifier}\t{symbol}\tGene Expression"
        for identifier, symbol in zip(
            genes["ensembl"][chosen], genes["symbol"][chosen], strict=True
        )
    ]
    members = {}
    for place, accession in enumerate(accessions):
        columns, whole = [], np.zeros(len(chosen))
        for kind, (_, numbers) in CELL_TYPES.items():
            level = profiles[kind] + donors[title[place]] + sexes[:, place]
            if kind == "classical monocyte" and diagnosis[place] == "warm AIHA":
                level = level + planted
            share = 2**level / (2**level).sum()
            whole += share / len(CELL_TYPES)
            for _ in range(round(numbers[fraction[place]] * rng.uniform(0.8, 1.2))):
                columns.append(rng.poisson(share * 850 * 2 ** rng.normal(0, 0.3)))
        for _ in range(4):  # dying cells
            dying = np.where(mitochondrial, 0.4 / mitochondrial.sum(), 0.6 * whole)
            columns.append(rng.poisson(800 * dying))
        for _ in range(12):  # droplets without a cell
            columns.append(rng.poisson(whole * rng.uniform(20, 200)))
        order = rng.permutation(len(columns))
        counts = np.array(columns)[order]
        letters = rng.choice(list("ACGT"), (len(counts), 16))
        barcodes = ["".join(row) + "-1" for row in letters]
        cells, rows = np.nonzero(counts)
        lines = [
            "%%MatrixMarket matrix coordinate integer general",
            f"{len(chosen)} {len(counts)} {len(cells)}",
            *(f"{g + 1} {c + 1} {counts[c, g]}" for c, g in zip(cells, rows, strict=True)),
        ]
        if title[place] == "AIHA patient 44":
            lines, barcodes = (
                lines[:1] + [f"{len(chosen)} {len(counts)} 2", "1 1 3", "2 1 1"],
                barcodes[:-7],
            )
        for name, content in (
            ("barcodes.tsv", barcodes),
            ("features.tsv", features),
            ("matrix.mtx", lines),
        ):
            members[f"{accession}_{name}.gz"] = packed(content)
    write_series_matrix(
        "GSE9000004",
        {
            "title": "SIMULATED blood mononuclear cells of warm AIHA and healthy donors, 10x",
            "summary": "Simulated data for the demo of a workflow; nothing here was measured.",
            "overall_design": "Simulated: single cells of 4 untreated patients with warm AIHA and "
            "3 healthy donors, one of them in two fractions.",
            "type": "Expression profiling by high throughput sequencing",
            "supplementary_file": "GSE9000004_RAW.tar",
            "platform_id": "GPL9000002",
        },
        _sequencing(
            [
                f"SIMULATED cells, {name}, {part}"
                for name, part in zip(title, fraction, strict=True)
            ],
            accessions,
            "blood mononuclear cells",
            [
                [f"diagnosis: {value}" for value in diagnosis],
                [f"Sex: {value}" for value in sex],
                [f"age: {value} y" for value in age],
                [f"fraction: {value}" for value in fraction],
            ],
            "GPL9000002",
        ),
    )
    path = GEO / "series/GSE9000nnn/GSE9000004/suppl/GSE9000004_RAW.tar"
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    write_bytes(path, archive.getvalue())


def write_series_matrix(accession, series, samples, rows=(), values=()):
    """A series matrix as GEO writes it; without rows for sequencing.

    samples: field -> one value for all samples, a list of values, or a list of such lists.
    """
    names = samples["geo_accession"]
    dates = {
        "status": "Public on Jan 01 2025",
        "submission_date": "Jan 01 2025",
        "last_update_date": "Jan 01 2025",
    }
    series = {
        "title": series["title"],
        "geo_accession": accession,
        **dates,
        **series,
        "sample_id": " ".join(names) + " ",
        "platform_taxid": "9606",
        "sample_taxid": "9606",
    }
    samples = {
        "title": samples["title"],
        "geo_accession": names,
        **dates,
        "channel_count": "1",
        "organism_ch1": "Homo sapiens",
        "taxid_ch1": "9606",
        **samples,
        "data_row_count": str(len(rows)),
    }
    lines = [f'!Series_{field}\t"{value}"' for field, value in series.items()] + [""]
    for field, given in samples.items():
        if isinstance(given, str):
            given = [given] * len(names)
        for line in [given] if isinstance(given[0], str) else given:
            lines.append("\t".join([f"!Sample_{field}", *(f'"{value}"' for value in line)]))
    lines.append("!series_matrix_table_begin")
    lines.append("\t".join(f'"{name}"' for name in ("ID_REF", *names)))
    for name, line in zip(rows, values, strict=True):
        lines.append("\t".join([f'"{name}"', *(f"{value:.2f}" for value in line)]))
    lines.append("!series_matrix_table_end")
    folder = GEO / "series" / "GSE9000nnn" / accession / "matrix"
    write_gz(folder / f"{accession}_series_matrix.txt.gz", lines)


def write_annotation(accession, rows):
    columns = {
        "ID": "ID from Platform data table",
        "Gene title": "Entrez Gene name",
        "Gene symbol": "Entrez Gene symbol",
        "Gene ID": "Entrez Gene identifier",
        "Platform_SPOTID": "SPOT_ID from Platform data table",
    }
    lines = [
        "^Annotation",
        "!Annotation_date = Jan 01 2025",
        f"!Annotation_platform = {accession}",
        "!Annotation_platform_title = SIMULATED array of the demo",
        "!Annotation_platform_organism = Homo sapiens",
        *(f"#{name} = {meaning}" for name, meaning in columns.items()),
        "!platform_table_begin",
        "\t".join(columns),
        *("\t".join(row[name] for name in columns) for row in rows),
        "!platform_table_end",
    ]
    folder = GEO / "platforms" / "GPL9000nnn" / accession / "annot"
    write_gz(folder / f"{accession}.annot.gz", lines)


def write_counts(path, corner, genes, columns, counts):
    lines = ["\t".join([corner, *columns])]
    lines += ["\t".join([g, *map(str, row)]) for g, row in zip(genes, counts, strict=True)]
    write_gz(path, lines)


def write_gz(path, lines):
    write_bytes(path, packed(lines))


def packed(lines):
    stored = io.BytesIO()
    # GzipFile, since the header that gzip.compress writes differs between Python versions.
    with gzip.GzipFile("", "wb", 9, stored, mtime=0) as stream:
        stream.write(("\n".join(lines) + "\n").encode())
    return stored.getvalue()


def write_bytes(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(content)
    os.replace(part, path)


def _read_tsv(path):
    with open(path, encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))


if __name__ == "__main__":
    main()
