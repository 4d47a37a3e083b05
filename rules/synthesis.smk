"""
Bring all contrasts together: multiple testing within families, and the verdicts.

needs: results/<study>/contrasts/*.sets.tsv, *.adjusted.tsv, *.design.json
makes: results/synthesis/verdicts.tsv
"""


localrules:
    give_verdicts,


rule give_verdicts:
    input:
        # Functions, because Snakemake's time for a list grows with the square of its length.
        sets=lambda w: RUN["sets_tables"],
        adjusted=lambda w: RUN["adjusted_tables"],
        designs=lambda w: RUN["designs"],
    output:
        verdicts="results/synthesis/verdicts.tsv",
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
