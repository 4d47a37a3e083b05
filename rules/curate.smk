"""
Bring GEO's sample record and the study's own rules into one table.

needs: the series matrix (of each platform), config/studies/<study>/
makes: results/<study>/samples.tsv
"""


localrules:
    curate_samples,


rule curate_samples:
    input:
        records=lambda w: STUDIES[w.study]["paths"]["records"],
    output:
        samples=report(
            "results/{study}/samples.tsv",
            caption="captions/samples.rst",
            category="Samples",
            labels={"study": "{study}", "table": "samples"},
        ),
    log:
        "results/logs/curate_samples/{study}.log",
    benchmark:
        "results/benchmarks/curate_samples/{study}.tsv"
    # What fails here is for the user to repair.
    retries: 0
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=500,
        runtime=10,
    params:
        study=lambda w: STUDIES[w.study]["record"],
        code=code_of("curate_samples.py"),
    message:
        "Curating the samples of {wildcards.study}"
    script:
        "../scripts/curate_samples.py"
