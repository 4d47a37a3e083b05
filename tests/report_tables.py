"""Small made-up result tables, with hostile texts in them, and the report from them."""

import json
from types import SimpleNamespace

import pandas as pd
import yaml

from neuroimmune.checks import COLUMNS, SHARED_COLUMNS
from neuroimmune.claims import EVIDENCE_COLUMNS
from neuroimmune.claims import SET_COLUMNS as EVIDENCE_SET_COLUMNS
from neuroimmune.contrast import SET_COLUMNS
from neuroimmune.controls import COLUMNS as CONTROL_COLUMNS
from neuroimmune.coupling import COLUMNS as COUPLING_COLUMNS
from neuroimmune.coupling import FULL
from neuroimmune.files import write_table
from neuroimmune.report.build import write_report
from neuroimmune.synthesis import META_COLUMNS

HOSTILE = '<script>alert(1)</script> & "</script>\'" onclick="x'
NAN = float("nan")
CONFIG = {
    "studies_dir": "config/studies",
    "adjust": {
        "min_attenuation": 0.5,
        "max_p": 0.05,
        "max_vif": 5,
        "erythroid_genes": ["ALAS2"],
        "composition_sets": ["conf_nk"],
        "exposure_sets": ["gr_response_up"],
    },
    "panels": {
        "families": {"neuroimmune": ["hpa", "adrenergic"], "negative_control": ["negative_control"]}
    },
    "detect": {
        "min_count": 10,
        "min_fraction": 0.5,
        "background_quantile": 0.95,
        "background_sets": ["neg_testis", "neg_x"],
    },
    "cells": {"min_counts": 500, "min_genes": 200, "mads": 5, "min_cells": 20},
    "coupling": {"permutations": 20000},
    "score": {"controls_per_gene": 50},
    "contrast": {"margin_fold": 1.5, "max_permutations": 20000, "seed": 7},
    "verdict": {
        "max_q": 0.05,
        "max_permutation_p": 0.05,
        "min_genes": 2,
        "min_gene_fraction": 0.3,
        "min_set_count": 2,
        "min_subjects": 3,
    },
}
SETS = [  # id, axis, name, caution, family, signed genes
    ("gr_response_up", "hpa", "Induced by steroids", "", "neuroimmune", ["+FKBP5", "+TSC22D3"]),
    ("adr_beta", "adrenergic", HOSTILE, HOSTILE, "neuroimmune", ["+ADRB1", "+ADRB2", "-PDE4B"]),
    ("neg_testis", "negative_control", "Testis genes", "", "negative_control", ["+ZPBP"]),
]
GENES = ["ADRB1", "ADRB2", "FKBP5", "PDE4B", "TSC22D3", "ZPBP"]
CHANGES = {"A": 0.8696602129, "B": 0.9810475727, "C": 0.6323285695, "D": 0.6972637073}


CONTROLS = [
    {"control": "glucocorticoid", "study": "GSE1", "contrast": "dex_vs_vehicle", "outcome": "pass"}
    | {"sentence": "gr_response_up must be higher and is higher"},
    {"control": "erythropoiesis", "outcome": "not run", "sentence": "no contrast asks"},
]


def verdict_row(study, contrast, question, set_id, verdict, **numbers):
    entry = next(item for item in SETS if item[0] == set_id)
    return {
        **dict.fromkeys([*SET_COLUMNS, "gate", "q", "detail"]),
        "study": study,
        "contrast": contrast,
        "question": question,
        "tissue": "PBMC",
        "stratum": "all",
        "set_id": set_id,
        "axis": entry[1],
        "family": entry[4],
        "n_genes": len(entry[5]),
        "n_measurable": 0,
        "measurable_genes": "",
        "n_case": 4,
        "n_reference": 4,
        "verdict": verdict,
        "reason": "because",
        **numbers,
    }


def agreement(design, mapping):
    key = {"study": design["study"], "contrast": design["contrast"], "stratum": "all"}
    gene = next(row["data_id"] for row in mapping if row["data_id"])
    numbers = {"n_methods": 7, "n_same_direction": 6, "n_p_05": 4, "leading_share": 0.8}
    words = {"depends_on_scorer": "yes", "leading_gene": gene, "carried_by_one_gene": "yes"}
    return {**key, "set_id": "adr_beta", **numbers, **words}


def ladder(design):
    """Adjusted effects of adr_beta: two rungs with numbers, one with a reason instead."""
    key = {"study": design["study"], "contrast": design["contrast"], "stratum": "all"}
    key |= {"set_id": "adr_beta"}
    numbers = {"log2_fold_change": 0.25, "ci_low": -0.1, "ci_high": 0.6, "p": 0.14}
    numbers |= {"vif": 1.5, "attenuation": 0.72}
    blank = dict.fromkeys(numbers, "")
    unadjusted = {"log2_fold_change": 0.9, "p": 0.001, "vif": 1, "attenuation": 0}
    return [
        {**key, "adjustment": "none", "status": "", "covariate": ""} | numbers | unadjusted,
        {**key, "adjustment": "erythroid", "status": "", "covariate": "erythroid marker genes"}
        | numbers,
        {**key, "adjustment": "treatment", "status": "not adjusted: <b>untreated</b>"}
        | {"covariate": "", **blank},
    ]


def design(study, contrast, question, paired, **given):
    case, reference = ("dex", "vehicle") if paired else ("AIHA", "healthy")
    profiles = [
        {"profile": f"{name}_{group}", "group": group}
        | {"subject": name if paired else f"{name}_{group}"}
        for group in (case, reference)
        for name in "ABCD"
    ]
    return {
        "study": study,
        "contrast": contrast,
        "stratum": "all",
        "question": question,
        "case": case,
        "reference": reference,
        "paired": paired,
        "blocked": False,
        "formula": "~ subject + group" if paired else "~ group",
        "n_case": 4,
        "n_reference": 4,
        "n_subjects": 4 if paired else 8,
        "profiles": profiles,
        "left_out": [],
        "confounders": [],
        "treatment_unknown": False,
        "noisy_few": False,
        "problem": "",
        "warnings": [],
        "genes_left_out": 3,
        **given,
    }


STUDIES = {
    "GSE1": {
        "accession": "GSE1",
        "title": HOSTILE,
        "citation": {"pmid": "12345"},
        "organism": "Homo sapiens",
        "tissue": "PBMC",
        "assay": "rnaseq",
        "role": "positive control",
        "source": {"kind": "counts_table", "file": "GSE1_counts.txt.gz"},
        "contrasts": {"dex_vs_vehicle": {}},
        "notes": HOSTILE,
    },
    "GSE2": {
        "accession": "GSE2",
        "title": "Made-up patients",
        "organism": "Homo sapiens",
        "tissue": "whole blood",
        "assay": "microarray",
        "role": "primary",
        "simulated": True,
        "source": {"kind": "series_matrix", "platform": "GPL570"},
        "contrasts": {"aiha_vs_healthy": {}},
    },
}
CONFOUNDED = "Confounded by sex: AIHA is female, healthy is male."
DESIGNS = {
    "GSE1": design(
        "GSE1", "dex_vs_vehicle", "glucocorticoid_vs_vehicle", True, warnings=["A remark."]
    ),
    "GSE2": design(
        "GSE2",
        "aiha_vs_healthy",
        "aiha_vs_healthy",
        False,
        confounders=[{"factor": "sex", "case": "female", "reference": "male"}],
        treatment_unknown=True,
        warnings=[CONFOUNDED, "Treatment is not recorded."],
    ),
}


def verdicts():
    gc = ("GSE1", "dex_vs_vehicle", "glucocorticoid_vs_vehicle")
    aiha = ("GSE2", "aiha_vs_healthy", "aiha_vs_healthy")
    moved = {
        "log2_fold_change": 0.6041,
        "ci_low": 0.2,
        "ci_high": 1.0,
        "q": 2.4e-5,
        "p": 1e-6,
        "permutation_p": 0.125,
        "permutation_floor": 0.125,
        "permutation_labelings": 16,
        "hedges_g": 2.001,
        "g_ci_low": 1.0,
        "g_ci_high": 3.0,
        "achieved_margin": 0.5,
        "detectable_effect": 0.3,
        "random_set_percentile": 99.5,
        "n_measurable": 2,
        "measurable_genes": "ADRB2;PDE4B",
    }
    return [
        verdict_row(*gc, "gr_response_up", "higher", **moved),
        verdict_row(*gc, "adr_beta", "higher", **moved),
        verdict_row(*gc, "neg_testis", "not measurable", detail="detection"),
        verdict_row(*aiha, "gr_response_up", "inconclusive", log2_fold_change=-0.7),
        verdict_row(*aiha, "adr_beta", "not measurable", detail="confounded by sex"),
        verdict_row(*aiha, "neg_testis", "no difference", log2_fold_change=0.01),
    ]


def checks_of(d):
    """In GSE1 one recorded sex is wrong and one pair is too alike; in GSE2 four have globins."""

    def row(check, profile, value, limit, flag, sentence):
        return dict(zip(COLUMNS[1:], (check, profile, value, limit, flag, sentence), strict=True))

    names = [item["profile"] for item in d["profiles"]]
    rows = [row("sex", name, "female", "female", "no", f"{name}: no Y.") for name in names]
    if d["study"] == "GSE1":
        rows[0] |= {"value": "male", "flag": "yes", "sentence": f"{names[0]} is a man. {HOSTILE}"}
        rows += [row("duplicate", f"{names[0]} {names[1]}", "0.99", "0.93", "yes", "Two are one.")]
    else:
        rows += [row("duplicate", "", "none", "0.93", "no", "No two profiles are identical.")]
        rows += [
            row("globin share", name, "0.615", "0.5", "yes", f"{name} is full of globin.")
            for name in names[:4]
        ]
        rows += [row("library size", name, "15200300", "1", "no", "Fine.") for name in names]
    return [{"study": d["study"], **entry} for entry in rows]


def scores_of(d):
    """Of adr_beta: the cases lie 0.5 above the references, which lie from 1.0 to 1.3."""
    return [
        {"stratum": "all", "profile": item["profile"], "set_id": "adr_beta"}
        | {"score": 1 + 0.1 * (number % 4) + 0.5 * (item["group"] == d["case"])}
        for number, item in enumerate(d["profiles"])
    ]


def left_out(d):
    key = {"stratum": "all", "set_id": "adr_beta", "direction": 1, "share": 0.5}
    numbers = (("ADRB2", 0.9, 0.1), ("PDE4B", 0.3, 0.8))
    return [
        {**key, "data_id": gene, "log2_fold_change": own, "log2_fold_change_without": without}
        for gene, own, without in numbers
    ]


def evidence():
    claim = {"claim": HOSTILE, "axis": "hpa", "simulated": "no", "n_sets": 1, "settle": "n >= 9."}
    return [
        {"claim_id": "silence", "finding": "not asked", "sentence": "Nobody asks.", **claim},
        {"claim_id": "brake", "finding": "speaks for in part", "sentence": "In part.", **claim},
    ]


def evidence_sets():
    row = {"claim_id": "brake", "set_id": "gr_response_up", "expected": "lower"}
    return [{**row, "finding": "speaks for", "sentence": "1 of 1"}]


def meta():
    """Of gr_response_up one pooled and one lone estimate."""
    row = {"comparison": "aiha_vs_healthy", "tissue_class": "whole blood", "stratum": "all"}
    row |= {"organism": "Homo sapiens", "simulated": "no", "adjustment": "none"}
    row |= {"set_id": "gr_response_up", "k": 3, "n_case": 30, "n_reference": 40, "pooled": "yes"}
    row |= {"log2_fold_change": 0.5, "ci_low": 0.25, "ci_high": 0.75, "q": 0.01, "i2": 0.4}
    row |= {"prediction_low": -0.25, "prediction_high": 0.95, "finding": "higher"}
    return [row, {**row, "tissue_class": "PBMC", "pooled": "no", "log2_fold_change": 0.9}]


def coupling(study):
    row = {"study": study, "stratum": "all", "label": "exploratory", "y": "imm_th1", "n": 8}
    row |= {"kind": "neuroimmune with effector", "permutation_floor": 0.001}
    return [
        {**row, "x": "adr_beta", "adjustment": FULL, "rho": 0.8, "p": 0.002, "q": 0.01},
        {**row, "x": "gr_response_up", "adjustment": FULL, "rho": -0.1, "p": 0.7, "q": 0.8},
        {
            **row,
            "x": "gr_response_up",
            "adjustment": "groups",
            "rho": 0.5,
            "p": 0.0001,
            "q": 0.0002,
        },
        {**row, "x": "neg_testis", "adjustment": FULL, "status": "not measurable"},
    ]


def cell_tables(d):
    """Two samples of 130 cells; ADRB2 in half of the T cells and in one B cell."""
    steps = [
        {"sample": sample, "step": step, "unit": "cell", "left_out": lost, "left": left}
        | {"reason": reason, "examples": ""}
        for sample in ("GSM1", "GSM2")
        for step, lost, left, reason in (
            ("read", 0, 136, "barcodes of the file"),
            ("empty", 6, 130, "fewer than 500 counts"),
        )
    ]
    cells = [
        {"cell": f"GSM1:{n}", "sample": "GSM1", "subject": "S", "group": d["case"], "cluster": "0"}
        | {"cell_type": "B cell" if n < 3 else HOSTILE, "umap1": n, "umap2": n % 2}
        for n in range(8)
    ]
    gene = {"set_id": "adr_beta", "hgnc_id": "HGNC:ADRB2", "symbol": "ADRB2", "data_id": "ADRB2"}
    gene |= {
        "n_donors": 4,
        "n_donors_detecting": 2,
        "share_donors": 0.5,
        "expected_share_donors": 1,
    }
    shares = (("all", 260, 51, 0.1), ("B cell", 160, 1, 0.1), ("T cell", 100, 50, 0.1))
    found = [
        {**gene, "cell_type": kind, "n_cells": n, "n_cells_detecting": k, "share_cells": k / n}
        | {"expected_share_cells": expected}
        for kind, n, k, expected in shares
    ]
    mix = {"study": d["study"], "contrast": d["contrast"], "fraction": "", "cell_type": "B cell"}
    mix |= {"n_cells": 160, "share_case": 0.5, "share_reference": 0.25, "log2_odds_ratio": 1.58}
    mix |= {"ci_low": 0.5, "ci_high": 2.7, "p": 0.01, "q": 0.03, "status": ""}
    return {
        "cell_steps.tsv": steps,
        "cells_umap.tsv.gz": cells,
        "receptor_map.tsv": found,
        f"contrasts/{d['contrast']}.cell_mix.tsv": [mix],
    }


def picture_of(d):
    return [
        {"stratum": "all", "profile": item["profile"], "group": item["group"]}
        | {"pc1": 2.0 * number - 7, "pc2": number % 2, "share1": 0.6, "share2": 0.123}
        for number, item in enumerate(d["profiles"])
    ]


def write_pages(root, rows=None, studies=STUDIES, shared=None, controls=None):
    """Write all tables below `root` and the report from them; dict of page name -> path."""

    def table(path, rows, columns=None):
        write_table(root / path, pd.DataFrame(rows, columns=columns))
        return str(root / path)

    def document(path, value):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(json.dumps(value))
        return str(root / path)

    tables, manifests = [], []
    for name in studies:
        d = DESIGNS[name]
        folder = f"results/{name}"
        sample = {
            "include": "yes",
            "reason": "",
            "subject": "S",
            "group": d["case"],
            "treatment": "none",
            "note": "",
            "corrected": "",
            "geo_source_name": "blood",
            "geo_characteristics": HOSTILE,
        }
        blank = dict.fromkeys(
            ["title", "phase", "tissue", "batch", "sex", "age", "dose", "fraction", "files"]
            + ["geo_platform", "geo_description", "geo_biosample"],
            "",
        )
        out = {"include": "no", "reason": "failed the array scan", "group": ""}
        samples = [{"sample": "GSM1", **blank, **sample}]
        samples += [{"sample": "GSM2", **blank, **sample, **out}]
        step = {"step": "genes of two rows", "unit": "row", "left_out": 12, "reason": "summed"}
        mapping = [
            {"hgnc_id": f"HGNC:{g}", "symbol": g, "data_id": g, "matched_by": "approved symbol"}
            for g in GENES
        ]
        mapping[0] |= {"data_id": "", "matched_by": "", "reason": "no row under its symbol"}
        detected = [
            {"stratum": "all", "hgnc_id": f"HGNC:{g}", "symbol": g, "data_id": g, "mean_count": NAN}
            | {"measurable": "yes", "group": group, "n_profiles": 4, "n_detected": n}
            for g in GENES[1:]
            for group, n in ((d["case"], 4), (d["reference"], 3))
        ]
        genes = [
            {"stratum": "all", "data_id": "ADRB2", "symbol": "ADRB2", "log2_fold_change": 0.795}
            | {"ci_low": 0.6, "ci_high": 0.98, "p": 1e-6, "q": 1.7e-4, "mean_expression": 5.0},
            {"stratum": "all", "data_id": "OTHER", "symbol": "", "log2_fold_change": -1.0}
            | {"ci_low": -2, "ci_high": NAN, "p": 1e-7, "q": 1e-5, "mean_expression": NAN},
        ]
        if d["paired"]:
            subjects = [
                {"stratum": "all", "symbol": "ADRB2", "subject": s, "group": "dex"}
                | {"log2_change": v}
                for s, v in CHANGES.items()
            ]
        else:
            subjects = [
                {"stratum": "all", "symbol": "ADRB2", "subject": f"{g}{i}", "group": g}
                | {"log2_expression": v + i}
                for g, v in (("AIHA", 7.0), ("healthy", 5.0))
                for i in (0, 1)
            ]
        contrast = f"{folder}/contrasts/{d['contrast']}"
        rule = {"stratum": "all", "rule": "detected: as made up", "measurable_controls": 9000}
        profiles = {"values": "log2 made up", "rows_read": 1234, "genes": 1000, "warnings": ["odd"]}
        tables += [
            table(f"{folder}/samples.tsv", samples),
            table(f"{folder}/attrition.tsv", [{**step, "examples": ""}]),
            document(f"{folder}/profiles.json", profiles),
            table(f"{folder}/panel_mapping.tsv", mapping),
            table(f"{folder}/detectability.tsv", detected),
            table(f"{folder}/detection_rules.tsv", [rule]),
            table(f"{folder}/checks.tsv", checks_of(d)),
            table(f"{folder}/checks_pca.tsv", picture_of(d)),
            table(f"{folder}/coupling.tsv", coupling(name), COUPLING_COLUMNS),
            table(f"{folder}/scores.tsv", scores_of(d)),
            document(f"{contrast}.design.json", [d]),
            table(f"{contrast}.genes.tsv", genes),
            table(f"{contrast}.subjects.tsv", subjects),
            table(f"{contrast}.adjusted.tsv", ladder(d)),
            table(f"{contrast}.concordance.tsv", [agreement(d, mapping)]),
            table(f"{contrast}.leave_one_out.tsv", left_out(d)),
        ]
        if studies[name]["assay"] == "scrnaseq":
            for file, content in cell_tables(d).items():
                tables.append(table(f"{folder}/{file}", content))
        manifest = {"url": "https://ftp.ncbi.nlm.nih.gov/geo/x", "bytes": 422652}
        manifest |= {"sha256": "ab" * 32, "downloaded": "2025-01-02T03:04:05Z"}
        manifest |= {"last_modified": None}
        file = f"{name}_series_matrix.txt.gz"
        manifests.append(document(f"resources/geo/{name}/{file}.json", {"file": file, **manifest}))
    tables.append(table("results/synthesis/shared_samples.tsv", shared or [], SHARED_COLUMNS))
    tables += [
        table("results/synthesis/controls.tsv", controls or CONTROLS, CONTROL_COLUMNS),
        table("results/synthesis/evidence.tsv", evidence(), EVIDENCE_COLUMNS),
        table("results/synthesis/evidence_sets.tsv", evidence_sets(), EVIDENCE_SET_COLUMNS),
        table("results/synthesis/meta.tsv", meta(), META_COLUMNS),
    ]
    (root / "results/run_config.yaml").write_text(yaml.safe_dump(CONFIG, sort_keys=False))
    keys = ("set_id", "axis", "set_name", "caution", "family")
    sets = [dict(zip(keys, entry[:5], strict=True)) for entry in SETS]
    members = [
        {"set_id": entry[0], "gene_symbol": g[1:], "hgnc_id": f"HGNC:{g[1:]}", "role": "target"}
        | {"direction": int(f"{g[0]}1")}
        for entry in SETS
        for g in entry[5]
    ]
    inputs = SimpleNamespace(
        verdicts=table("results/synthesis/verdicts.tsv", rows or verdicts()),
        run_config=str(root / "results/run_config.yaml"),
        sets=table("results/panels/sets.tsv", sets),
        members=table("results/panels/members.tsv", members),
        tables=tables,
        manifests=manifests,
    )
    axes = [axis for family in CONFIG["panels"]["families"].values() for axis in family]
    names = ["index", "power", "methods", *studies, *(f"sets/{axis}" for axis in axes)]
    pages = {name: root / f"results/report/{name}.html" for name in names}
    outputs = SimpleNamespace(
        **{name: pages[name] for name in ("index", "power", "methods")},
        studies=[pages[name] for name in studies],
        axes=[pages[f"sets/{axis}"] for axis in axes],
    )
    write_report(inputs, studies, axes, outputs)
    return pages
