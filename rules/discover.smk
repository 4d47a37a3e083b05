"""
Find, draft and report: which series GEO has, what one of them holds, and where a number is from.

needs: NCBI's E-utilities; GEO's tree at geo.base_url
makes: results/discover/candidates.tsv, searches.tsv
"""


localrules:
    discover_series,


rule discover_series:
    output:
        candidates="results/discover/candidates.tsv",
        searches="results/discover/searches.tsv",
    log:
        "results/logs/discover_series.log",
    benchmark:
        "results/benchmarks/discover_series.tsv"
    conda:
        "../envs/download.yaml"
    resources:
        mem_mb=300,
        runtime=30,
    params:
        settings=config["discover"],
        configured=RUN["configured"],
        min_subjects=config["verdict"]["min_subjects"],
        code=code_of("discover_series.py"),
    message:
        "Asking NCBI for series on autoimmune hemolytic anemia"
    script:
        "../scripts/discover_series.py"
