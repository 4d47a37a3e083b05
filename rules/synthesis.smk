"""
Bring all contrasts together: verdicts, studies pooled, the workflow's own controls, the evidence
on every claim, and the coupling of neuroimmune with effector scores within a study.

needs: results/<study>/contrasts/*.sets.tsv, *.adjusted.tsv, *.design.json;
       results/<study>/profiles.json, scored_profiles.h5ad, controls.tsv, panel_mapping.tsv;
       results/synthesis/shared_samples.tsv; config/tissue_classes.tsv, config/claims.tsv
makes: results/synthesis/verdicts.tsv, meta.tsv, meta_leave_one_out.tsv, meta_excluded.tsv,
       controls.tsv, evidence.tsv, evidence_sets.tsv; results/<study>/coupling.tsv
"""


localrules:
    give_verdicts,
    check_controls,
    weigh_claims,


rule give_verdicts:
    input:
        # Functions, because Snakemake's time for a list grows with the square of its length.
        sets=lambda w: RUN["sets_tables"],
        adjusted=lambda w: RUN["adjusted_tables"],
        designs=lambda w: RUN["designs"],
    output:
        verdicts=report(
            "results/synthesis/verdicts.tsv",
            caption="captions/verdicts.rst",
            category="Verdicts",
            labels={"table": "verdicts"},
        ),
    log:
        "results/logs/give_verdicts.log",
    benchmark:
        "results/benchmarks/give_verdicts.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=500,
        runtime=10,
    params:
        settings={
            **config["verdict"],
            "margin_fold": config["contrast"]["margin_fold"],
            "min_attenuation": config["adjust"]["min_attenuation"],
            "max_p": config["adjust"]["max_p"],
        },
        code=code_of("give_verdicts.py"),
    message:
        "Giving verdicts"
    script:
        "../scripts/give_verdicts.py"


rule pool_studies:
    input:
        verdicts=rules.give_verdicts.output.verdicts,
        adjusted=RUN["adjusted_tables"],
        designs=RUN["designs"],
        shared=rules.check_shared_samples.output.shared,
        summaries=expand(rules.build_profiles.output.summary, study=STUDIES),
        classes=RUN["tissue_classes"],
    output:
        meta="results/synthesis/meta.tsv",
        studies="results/synthesis/meta_leave_one_out.tsv",
        excluded="results/synthesis/meta_excluded.tsv",
    log:
        "results/logs/pool_studies.log",
    benchmark:
        "results/benchmarks/pool_studies.tsv"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=lambda w, input, attempt: attempt * (1000 + 10 * int(input.size_mb)),
        runtime=lambda w, attempt: 20 * attempt,
    params:
        studies=RUN["study_labels"],
        settings={
            "max_q": config["verdict"]["max_q"],
            "margin_fold": config["contrast"]["margin_fold"],
        },
        schemas=RUN["schemas"],
        code=code_of("pool_studies.py"),
    message:
        "Pooling the studies"
    script:
        "../scripts/pool_studies.py"


rule check_controls:
    input:
        verdicts=rules.give_verdicts.output.verdicts,
        classes=RUN["tissue_classes"],
    output:
        controls="results/synthesis/controls.tsv",
    log:
        "results/logs/check_controls.log",
    benchmark:
        "results/benchmarks/check_controls.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=500,
        runtime=10,
    params:
        studies=RUN["study_labels"],
        schemas=RUN["schemas"],
        code=code_of("check_controls.py"),
    message:
        "Checking the workflow's own controls"
    script:
        "../scripts/check_controls.py"


rule weigh_claims:
    input:
        verdicts=rules.give_verdicts.output.verdicts,
        meta=rules.pool_studies.output.meta,
        designs=RUN["designs"],
        sets=rules.prepare_panels.output.sets,
        claims=RUN["claims"],
        classes=RUN["tissue_classes"],
    output:
        evidence="results/synthesis/evidence.tsv",
        sets="results/synthesis/evidence_sets.tsv",
    log:
        "results/logs/weigh_claims.log",
    benchmark:
        "results/benchmarks/weigh_claims.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=500,
        runtime=10,
    params:
        studies=RUN["study_labels"],
        settings={"margin_fold": config["contrast"]["margin_fold"]},
        schemas=RUN["schemas"],
        code=code_of("weigh_claims.py"),
    message:
        "Weighing the claims"
    script:
        "../scripts/weigh_claims.py"


rule test_coupling:
    input:
        profiles=rules.score_sets.output.profiles,
        mapping=rules.score_sets.output.mapping,
        controls=rules.score_sets.output.controls,
        sets=rules.prepare_panels.output.sets,
        members=rules.prepare_panels.output.members,
    output:
        coupling="results/{study}/coupling.tsv",
    log:
        "results/logs/test_coupling/{study}.log",
    benchmark:
        "results/benchmarks/test_coupling/{study}.tsv"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=lambda w, input, attempt: attempt * (1000 + 4 * int(input.size_mb)),
        runtime=lambda w, attempt: 20 * attempt,
    params:
        contrasts=lambda w: STUDIES[w.study]["record"]["contrasts"],
        settings={
            **config["coupling"],
            "seed": config["contrast"]["seed"],
            "min_genes": config["verdict"]["min_genes"],
            "min_gene_fraction": config["verdict"]["min_gene_fraction"],
            "adjust": config["adjust"],
        },
        code=code_of("test_coupling.py"),
    message:
        "Correlating neuroimmune with effector scores in {wildcards.study}"
    script:
        "../scripts/test_coupling.py"
