"""
Check the panels, map them into each study's genes, and score every set in every profile.

needs: config/panels/*.tsv, results/<study>/profiles.h5ad
makes: results/panels/*.tsv; results/<study>/panel_mapping.tsv, detectability.tsv, scores.tsv,
       controls.tsv, detection_rules.tsv, scored_profiles.h5ad
"""


localrules:
    prepare_panels,


rule prepare_panels:
    input:
        sets=PANELS["sets"],
        members=PANELS["members"],
        genes=PANELS["genes"],
    output:
        sets="results/panels/sets.tsv",
        members="results/panels/members.tsv",
        genes="results/panels/genes.tsv",
    log:
        "results/logs/prepare_panels.log",
    benchmark:
        "results/benchmarks/prepare_panels.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=500,
        runtime=10,
    params:
        families=config["panels"]["families"],
        schemas=RUN["schemas"],
        code=code_of("prepare_panels.py"),
    message:
        "Checking the gene-set panels"
    script:
        "../scripts/prepare_panels.py"


rule score_sets:
    input:
        profiles=rules.build_profiles.output.profiles,
        members=rules.prepare_panels.output.members,
        genes=rules.prepare_panels.output.genes,
        ambiguous=PANELS["ambiguous"],
        former_ids=PANELS["former_ids"],
    output:
        profiles="results/{study}/scored_profiles.h5ad",
        mapping="results/{study}/panel_mapping.tsv",
        detectability="results/{study}/detectability.tsv",
        scores="results/{study}/scores.tsv",
        controls="results/{study}/controls.tsv",
        rules="results/{study}/detection_rules.tsv",
    log:
        "results/logs/score_sets/{study}.log",
    benchmark:
        "results/benchmarks/score_sets/{study}.tsv"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=lambda w, input, attempt: attempt * (1000 + 4 * int(input.size_mb)),
        runtime=lambda w, attempt: 20 * attempt,
    params:
        organism=lambda w: STUDIES[w.study]["record"]["organism"],
        settings={**config["detect"], **config["score"]},
        code=code_of("score_sets.py"),
    message:
        "Scoring the gene sets of {wildcards.study}"
    script:
        "../scripts/score_sets.py"
