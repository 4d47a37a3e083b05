"""
Look for mistakes in the samples: sex, duplicates, odd profiles, globins, samples in two studies.

needs: results/<study>/profiles.h5ad, panel_mapping.tsv, samples.tsv, results/panels/*.tsv
makes: results/<study>/checks.tsv, checks_pca.tsv, fingerprint.json;
       results/synthesis/shared_samples.tsv
"""


localrules:
    check_shared_samples,


rule check_samples:
    input:
        profiles=rules.build_profiles.output.profiles,
        mapping=rules.score_sets.output.mapping,
        members=rules.prepare_panels.output.members,
        genes=rules.prepare_panels.output.genes,
    output:
        checks=report(
            "results/{study}/checks.tsv",
            caption="captions/checks.rst",
            category="Samples",
            labels={"study": "{study}", "table": "sample checks"},
        ),
        pca="results/{study}/checks_pca.tsv",
        fingerprint="results/{study}/fingerprint.json",
    log:
        "results/logs/check_samples/{study}.log",
    benchmark:
        "results/benchmarks/check_samples/{study}.tsv"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=lambda w, input, attempt: attempt * (1000 + 4 * int(input.size_mb)),
        runtime=lambda w, attempt: 20 * attempt,
    params:
        contrasts=lambda w: STUDIES[w.study]["record"]["contrasts"],
        settings=config["detect"],
        code=code_of("check_samples.py"),
    message:
        "Checking the samples of {wildcards.study}"
    script:
        "../scripts/check_samples.py"


rule check_shared_samples:
    input:
        # Functions, because Snakemake's time for a list grows with the square of its length.
        fingerprints=lambda w: expand(rules.check_samples.output.fingerprint, study=STUDIES),
        samples=lambda w: expand(rules.curate_samples.output.samples, study=STUDIES),
    output:
        shared="results/synthesis/shared_samples.tsv",
    log:
        "results/logs/check_shared_samples.log",
    benchmark:
        "results/benchmarks/check_shared_samples.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        organisms={name: study["record"]["organism"] for name, study in STUDIES.items()},
        code=code_of("check_shared_samples.py"),
    message:
        "Looking for samples that stand in two studies"
    script:
        "../scripts/check_shared_samples.py"
