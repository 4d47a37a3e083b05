# From GEO series to verdicts on neuroimmune gene sets in autoimmune hemolytic anemia.
#
# Data flow one way: fetch, curate, express, score, contrast, synthesise, report.
from snakemake.utils import min_version

min_version("9.0")


include: "rules/common.smk"
include: "rules/geo.smk"
include: "rules/curate.smk"
include: "rules/bulk.smk"
include: "rules/singlecell.smk"
include: "rules/score.smk"
include: "rules/check.smk"
include: "rules/contrast.smk"
include: "rules/synthesis.smk"
include: "rules/report.smk"
include: "rules/discover.smk"


rule all:
    default_target: True
    input:
        rules.give_verdicts.output.verdicts,
        rules.pool_studies.output,
        rules.check_controls.output.controls,
        rules.weigh_claims.output,
        expand(rules.test_coupling.output.coupling, study=STUDIES),
        rules.write_report.output.index,


rule fetch:
    input:
        DOWNLOADS,


rule discover:
    input:
        rules.discover_series.output,


rule inspect:
    input:
        lambda w: chosen(config, "inspect", "results/inspect/{}/study.yaml"),


rule testcase:
    input:
        lambda w: chosen(config, "testcase", "results/testcase/{}.zip"),
