"""
Turn array intensities or RNA-seq counts into log2 expression profiles.

needs: results/<study>/samples.tsv, the series matrix and its platform annotation, or counts
makes: results/<study>/profiles.h5ad, attrition.tsv, profiles.json
"""


rule build_profiles:
    input:
        samples=rules.curate_samples.output.samples,
        matrix=lambda w: STUDIES[w.study]["paths"]["matrix"],
        annotation=lambda w: STUDIES[w.study]["paths"]["annotation"],
        counts=lambda w: STUDIES[w.study]["paths"]["counts"],
        members=PANELS["members"],
        genes=PANELS["genes"],
    output:
        profiles="results/{study}/profiles.h5ad",
        attrition="results/{study}/attrition.tsv",
        summary="results/{study}/profiles.json",
    log:
        "results/logs/build_profiles/{study}.log",
    benchmark:
        "results/benchmarks/build_profiles/{study}.tsv"
    wildcard_constraints:
        study=RUN["bulk_pattern"],
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=lambda w, input, attempt: attempt * (1000 + 40 * int(input.size_mb)),
        runtime=lambda w, attempt: 20 * attempt,
    params:
        source=lambda w: STUDIES[w.study]["record"]["source"],
        organism=lambda w: STUDIES[w.study]["record"]["organism"],
        labels=lambda w: STUDIES[w.study]["labels"],
        code=code_of("build_profiles.py"),
    message:
        "Building the expression profiles of {wildcards.study}"
    script:
        "../scripts/build_profiles.py"
