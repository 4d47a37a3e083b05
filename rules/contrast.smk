"""
Compare two groups of a study: effect, interval and tests of every set and gene.

needs: results/<study>/scored_profiles.h5ad and the tables of the score stage
makes: results/<study>/contrasts/<contrast>.{sets,adjusted,genes,subjects}.tsv and .design.json,
       .{scorers,leave_one_out,concordance}.tsv
"""


rule test_contrast:
    input:
        profiles=rules.score_sets.output.profiles,
        mapping=rules.score_sets.output.mapping,
        detectability=rules.score_sets.output.detectability,
        controls=rules.score_sets.output.controls,
        sets=rules.prepare_panels.output.sets,
        members=rules.prepare_panels.output.members,
    output:
        sets=report(
            "results/{study}/contrasts/{contrast}.sets.tsv",
            caption="captions/sets.rst",
            category="Comparisons",
            subcategory="{study}",
            labels={"study": "{study}", "comparison": "{contrast}", "table": "gene sets"},
        ),
        adjusted="results/{study}/contrasts/{contrast}.adjusted.tsv",
        genes="results/{study}/contrasts/{contrast}.genes.tsv",
        subjects="results/{study}/contrasts/{contrast}.subjects.tsv",
        design="results/{study}/contrasts/{contrast}.design.json",
    log:
        "results/logs/test_contrast/{study}/{contrast}.log",
    benchmark:
        "results/benchmarks/test_contrast/{study}/{contrast}.tsv"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=lambda w, input, attempt: attempt * (1000 + 4 * int(input.size_mb)),
        runtime=lambda w, attempt: 20 * attempt,
    params:
        contrast=lambda w: STUDIES[w.study]["record"]["contrasts"][w.contrast],
        labels=lambda w: STUDIES[w.study]["labels"],
        settings=RUN["contrast_settings"],
        code=code_of("test_contrast.py"),
    message:
        "Testing {wildcards.contrast} in {wildcards.study}"
    script:
        "../scripts/test_contrast.py"


rule compare_scorers:
    input:
        profiles=rules.score_sets.output.profiles,
        mapping=rules.score_sets.output.mapping,
        controls=rules.score_sets.output.controls,
        members=rules.prepare_panels.output.members,
    output:
        scorers="results/{study}/contrasts/{contrast}.scorers.tsv",
        leave_one_out="results/{study}/contrasts/{contrast}.leave_one_out.tsv",
        concordance="results/{study}/contrasts/{contrast}.concordance.tsv",
    log:
        "results/logs/compare_scorers/{study}/{contrast}.log",
    benchmark:
        "results/benchmarks/compare_scorers/{study}/{contrast}.tsv"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=lambda w, input, attempt: attempt * (1000 + 6 * int(input.size_mb)),
        runtime=lambda w, attempt: 20 * attempt,
    params:
        contrast=lambda w: STUDIES[w.study]["record"]["contrasts"][w.contrast],
        settings={
            "seed": config["contrast"]["seed"],
            "min_subjects": config["verdict"]["min_subjects"],
        },
        code=code_of("compare_scorers.py"),
    message:
        "Comparing scorers for {wildcards.contrast} in {wildcards.study}"
    script:
        "../scripts/compare_scorers.py"
