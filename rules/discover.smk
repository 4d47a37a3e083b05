"""
Find, draft and report: which series GEO has, what one of them holds, and where a number is from.

needs: NCBI's E-utilities; GEO's tree at geo.base_url
makes: results/discover/candidates.tsv, searches.tsv;
       results/inspect/<accession>/study.yaml, samples.tsv, summary.txt, summary.html;
       results/testcase/<study>/<contrast>/<set>/<stratum>.zip
"""


localrules:
    discover_series,
    inspect_series,
    bundle_testcase,


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


rule inspect_series:
    output:
        study="results/inspect/{accession}/study.yaml",
        samples="results/inspect/{accession}/samples.tsv",
        summary="results/inspect/{accession}/summary.txt",
        page="results/inspect/{accession}/summary.html",
    log:
        "results/logs/inspect_series/{accession}.log",
    benchmark:
        "results/benchmarks/inspect_series/{accession}.tsv"
    conda:
        "../envs/download.yaml"
    resources:
        geo_connections=1,
        mem_mb=500,
        runtime=30,
    params:
        geo=config["geo"] | {"base_url": RUN["base_url"]},
        schemas=RUN["schemas"],
        min_subjects=config["verdict"]["min_subjects"],
        code=code_of("inspect_series.py"),
    message:
        "Drafting a study from GEO's record of {wildcards.accession}"
    script:
        "../scripts/inspect_series.py"


rule bundle_testcase:
    input:
        profiles=rules.score_sets.output.profiles,
        mapping=rules.score_sets.output.mapping,
        controls=rules.score_sets.output.controls,
        members=rules.prepare_panels.output.members,
        sets=rules.test_contrast.output.sets,
        run_config="results/run_config.yaml",
    output:
        bundle="results/testcase/{study}/{contrast}/{set_id}/{stratum}.zip",
    log:
        "results/logs/bundle_testcase/{study}/{contrast}/{set_id}/{stratum}.log",
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=lambda w, input, attempt: attempt * (1000 + 4 * int(input.size_mb)),
        runtime=10,
    params:
        contrast=lambda w: STUDIES[w.study]["record"]["contrasts"][w.contrast],
        settings=RUN["contrast_settings"],
        code=code_of("bundle_testcase.py"),
    message:
        "Bundling {wildcards.set_id} in {wildcards.contrast} of {wildcards.study}"
    script:
        "../scripts/bundle_testcase.py"


rule discover:
    input:
        rules.discover_series.output,


rule inspect:
    input:
        lambda w: chosen(config, "inspect", "results/inspect/{}/study.yaml"),


rule testcase:
    input:
        lambda w: chosen(config, "testcase", "results/testcase/{}.zip"),
