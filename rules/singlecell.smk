"""
Turn single cells into pseudobulk profiles, and show who expresses which gene.

needs: the files of every sample that samples.tsv lists, results/<study>/samples.tsv
makes: results/<study>/cells/<sample>.h5ad, cells.h5ad, cell_steps.tsv;
       profiles.h5ad, attrition.tsv, profiles.json, composition.tsv, cells_umap.tsv.gz;
       cell_scores.h5ad, receptor_map.tsv; contrasts/<contrast>.cell_mix.tsv
"""

from neuroimmune.expression.cells import memory_of_sample


rule filter_cells:
    input:
        cells=lambda w: STUDIES[w.study]["paths"]["cells"][w.sample],
        members=PANELS["members"],
        genes=PANELS["genes"],
    output:
        cells="results/{study}/cells/{sample}.h5ad",
        steps="results/{study}/cells/{sample}.json",
    log:
        "results/logs/filter_cells/{study}/{sample}.log",
    benchmark:
        "results/benchmarks/filter_cells/{study}/{sample}.tsv"
    wildcard_constraints:
        study=RUN["cells_pattern"],
        sample=RUN["sample_pattern"],
    conda:
        "../envs/cells.yaml"
    threads: 1
    resources:
        mem_mb=lambda w, input, attempt: attempt
        * memory_of_sample(
            input.size_mb,
            RUN["sharing"][w.study][w.sample],
            input[0].endswith(".tar"),
        ),
        runtime=lambda w, attempt: 60 * attempt,
    params:
        sample=lambda w: STUDIES[w.study]["cell_samples"][w.sample],
        source=lambda w: STUDIES[w.study]["record"]["source"],
        organism=lambda w: STUDIES[w.study]["record"]["organism"],
        settings={
            key: config["cells"][key]
            for key in (
                *("seed", "min_counts", "min_genes", "mads", "mito_floor"),
                *("globin_floor", "doublet_rate"),
            )
        },
        code=code_of("filter_cells.py"),
    message:
        "Checking the cells of {wildcards.sample} in {wildcards.study}"
    script:
        "../scripts/filter_cells.py"


rule merge_cells:
    input:
        cells=lambda w: RUN["cell_files"][w.study],
        steps=lambda w: RUN["cell_step_files"][w.study],
        members=PANELS["members"],
        genes=PANELS["genes"],
        ambiguous=PANELS["ambiguous"],
        former_ids=PANELS["former_ids"],
    output:
        cells="results/{study}/cells.h5ad",
        steps="results/{study}/cell_steps.tsv",
    log:
        "results/logs/merge_cells/{study}.log",
    benchmark:
        "results/benchmarks/merge_cells/{study}.tsv"
    wildcard_constraints:
        study=RUN["cells_pattern"],
    conda:
        "../envs/cells.yaml"
    threads: 1
    resources:
        mem_mb=lambda w, input, attempt: attempt * (3000 + 3 * int(input.size_mb)),
        runtime=lambda w, attempt: 240 * attempt,
    params:
        organism=lambda w: STUDIES[w.study]["record"]["organism"],
        cell_types=lambda w: STUDIES[w.study]["record"]
        .get("cells", {})
        .get("cell_types", "markers"),
        settings={
            key: config["cells"][key]
            for key in (
                *("seed", "variable_genes", "components", "neighbours", "resolution", "types"),
                *("min_type_score", "min_type_margin", "shown_cells"),
            )
        },
        code=code_of("merge_cells.py"),
    message:
        "Merging the cells of {wildcards.study}"
    script:
        "../scripts/merge_cells.py"


rule sum_pseudobulk:
    input:
        samples=rules.curate_samples.output.samples,
        files=lambda w: RUN["cell_files"][w.study],
        cells=rules.merge_cells.output.cells,
        steps=rules.merge_cells.output.steps,
        members=PANELS["members"],
        genes=PANELS["genes"],
    output:
        profiles="results/{study}/profiles.h5ad",
        attrition="results/{study}/attrition.tsv",
        summary="results/{study}/profiles.json",
        composition="results/{study}/composition.tsv",
        umap="results/{study}/cells_umap.tsv.gz",
    log:
        "results/logs/sum_pseudobulk/{study}.log",
    benchmark:
        "results/benchmarks/sum_pseudobulk/{study}.tsv"
    wildcard_constraints:
        study=RUN["cells_pattern"],
    conda:
        "../envs/cells.yaml"
    threads: 1
    resources:
        mem_mb=lambda w, input, attempt: attempt * (2000 + int(input.size_mb)),
        runtime=lambda w, attempt: 60 * attempt,
    params:
        organism=lambda w: STUDIES[w.study]["record"]["organism"],
        contrasts=lambda w: STUDIES[w.study]["record"]["contrasts"],
        fractions=lambda w: STUDIES[w.study]["record"].get("cells", {}).get("fractions", "merged"),
        labels=lambda w: STUDIES[w.study]["labels"],
        settings={
            "min_cells": config["cells"]["min_cells"],
            "min_subjects": config["verdict"]["min_subjects"],
        },
        code=code_of("sum_pseudobulk.py"),
    message:
        "Summing the cells of {wildcards.study} to profiles"
    script:
        "../scripts/sum_pseudobulk.py"


rule score_cells:
    input:
        samples=rules.curate_samples.output.samples,
        files=lambda w: RUN["cell_files"][w.study],
        cells=rules.merge_cells.output.cells,
        members=PANELS["members"],
        genes=PANELS["genes"],
        ambiguous=PANELS["ambiguous"],
        former_ids=PANELS["former_ids"],
    output:
        scores="results/{study}/cell_scores.h5ad",
        map="results/{study}/receptor_map.tsv",
    log:
        "results/logs/score_cells/{study}.log",
    benchmark:
        "results/benchmarks/score_cells/{study}.tsv"
    wildcard_constraints:
        study=RUN["cells_pattern"],
    conda:
        "../envs/cells.yaml"
    threads: 1
    resources:
        mem_mb=lambda w, input, attempt: attempt * (2000 + 2 * int(input.size_mb)),
        runtime=lambda w, attempt: 60 * attempt,
    params:
        organism=lambda w: STUDIES[w.study]["record"]["organism"],
        settings={
            "controls_per_gene": config["score"]["controls_per_gene"],
            "min_cells": config["cells"]["min_cells"],
        },
        code=code_of("score_cells.py"),
    message:
        "Scoring the cells of {wildcards.study}"
    script:
        "../scripts/score_cells.py"


rule test_composition:
    input:
        composition=rules.sum_pseudobulk.output.composition,
        profiles=rules.sum_pseudobulk.output.profiles,
    output:
        mix="results/{study}/contrasts/{contrast}.cell_mix.tsv",
    log:
        "results/logs/test_composition/{study}/{contrast}.log",
    benchmark:
        "results/benchmarks/test_composition/{study}/{contrast}.tsv"
    wildcard_constraints:
        study=RUN["cells_pattern"],
    conda:
        "../envs/cells.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        contrast=lambda w: STUDIES[w.study]["record"]["contrasts"][w.contrast],
        settings={
            "min_cells": config["cells"]["min_cells"],
            "min_subjects": config["verdict"]["min_subjects"],
        },
        code=code_of("test_composition.py"),
    message:
        "Comparing the cell mix for {wildcards.contrast} in {wildcards.study}"
    script:
        "../scripts/test_composition.py"
