"""
Write the report: a verdict matrix, a page a study and an axis, methods, what could be found.

needs: results/synthesis/verdicts.tsv and the tables of every study
makes: results/report/{index,power,methods,<study>}.html, results/report/sets/<axis>.html,
       results/report/tables.xlsx, results/ro-crate-metadata.json
"""


localrules:
    write_report,
    write_workbook,
    write_crate,


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
        index=report(
            "results/report/index.html",
            caption="captions/report.rst",
            category="Report",
            labels={"page": "verdict matrix"},
        ),
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


rule write_workbook:
    input:
        evidence=[rules.weigh_claims.output.evidence],
        evidence_sets=[rules.weigh_claims.output.sets],
        meta=[rules.pool_studies.output.meta],
        controls=[rules.check_controls.output.controls],
        verdicts=[rules.give_verdicts.output.verdicts],
        adjusted=RUN["adjusted_tables"],
        scorers=RUN["scorer_tables"],
        leave_one_out=RUN["leave_one_out_tables"],
        concordance=RUN["concordance_tables"],
        samples=expand(rules.curate_samples.output.samples, study=STUDIES),
        attrition=expand(rules.build_profiles.output.attrition, study=STUDIES),
        checks=expand(rules.check_samples.output.checks, study=STUDIES),
        coupling=expand(rules.test_coupling.output.coupling, study=STUDIES),
    output:
        workbook=report(
            "results/report/tables.xlsx",
            caption="captions/workbook.rst",
            category="Report",
            labels={"page": "all tables (XLSX)"},
        ),
    log:
        "results/logs/write_workbook.log",
    benchmark:
        "results/benchmarks/write_workbook.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=1000,
        runtime=20,
    params:
        code=code_of("write_workbook.py"),
    message:
        "Writing the tables as a workbook"
    script:
        "../scripts/write_workbook.py"


rule write_crate:
    input:
        workflow=RUN["workflow"].values(),
        manifests=RUN["manifests"],
        run_config="results/run_config.yaml",
        results=[
            rules.give_verdicts.output.verdicts,
            *rules.pool_studies.output,
            rules.check_controls.output.controls,
            *rules.weigh_claims.output,
            rules.write_report.output.index,
            rules.write_report.output.power,
            rules.write_report.output.methods,
            *rules.write_report.output.studies,
            *rules.write_report.output.axes,
            rules.write_workbook.output.workbook,
        ],
    output:
        crate="results/ro-crate-metadata.json",
        workflow=expand("results/workflow/{file}", file=RUN["workflow"]),
    log:
        "results/logs/write_crate.log",
    benchmark:
        "results/benchmarks/write_crate.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=500,
        runtime=10,
    params:
        studies={name: study["record"] for name, study in STUDIES.items()},
        code=code_of("write_crate.py"),
    message:
        "Describing the run as an RO-Crate"
    script:
        "../scripts/write_crate.py"
