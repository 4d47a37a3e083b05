"""
Write the report: a verdict matrix, a page a study and an axis, methods, what could be found.

needs: results/synthesis/verdicts.tsv and the tables of every study
makes: results/report/{index,power,methods,<study>}.html, results/report/sets/<axis>.html,
       results/report/tables.xlsx, results/ro-crate-metadata.json
"""


localrules:
    write_report,


rule write_report:
    input:
        verdicts=rules.give_verdicts.output.verdicts,
        run_config="results/run_config.yaml",
        sets=rules.prepare_panels.output.sets,
        members=rules.prepare_panels.output.members,
        tables=RUN["report_tables"],
        manifests=RUN["manifests"],
        templates=RUN["templates"],
    output:
        index="results/report/index.html",
        power="results/report/power.html",
        methods="results/report/methods.html",
        studies=RUN["study_pages"],
        axes=RUN["axis_pages"],
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
        axes=RUN["axes"],
        code=code_of("write_report.py"),
    message:
        "Writing the report"
    script:
        "../scripts/write_report.py"
