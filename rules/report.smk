"""
Write the report: a verdict matrix, and a page a study.

needs: results/synthesis/verdicts.tsv and the tables of every study
makes: results/report/index.html, results/report/<study>.html
"""


localrules:
    write_report,


rule write_report:
    input:
        verdicts=rules.give_verdicts.output.verdicts,
        run_config="results/run_config.yaml",
        sets=rules.prepare_panels.output.sets,
        members=rules.prepare_panels.output.members,
        # Functions, because Snakemake's time for a list grows with the square of its length.
        tables=lambda w: RUN["report_tables"],
        manifests=lambda w: RUN["manifests"],
        templates=RUN["templates"],
    output:
        index="results/report/index.html",
        studies=RUN["study_pages"],
    log:
        "results/logs/write_report.log",
    benchmark:
        "results/benchmarks/write_report.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=1000,
        runtime=20,
    params:
        studies={name: study["record"] for name, study in STUDIES.items()},
        code=code_of("write_report.py"),
    message:
        "Writing the report"
    script:
        "../scripts/write_report.py"
