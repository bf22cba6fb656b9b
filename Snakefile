from snakemake.utils import min_version

min_version("9.0")


report: "workflow/report/workflow.rst"


# No `configfile:` here: it would be merged with --configfile, and both suites would be planned.
include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"


if SUITE.file.train:

    include: "workflow/rules/cluster.smk"
    include: "workflow/rules/train.smk"


include: "workflow/rules/analyse.smk"
include: "workflow/rules/paper.smk"
include: "workflow/rules/report.smk"


# Jobs of a cluster train, and nothing else: the rest takes seconds a job, and data may have to be fetched.
localrules:
    all,
    figures,
    data,
    own_data,
    aggregate,
    claims,
    compare,
    scorecard,
    table,
    figure,
    report,
    latest,
    check,


rule all:
    default_target: True
    input:
        rules.latest.output,
        rules.check.output,
        # what is missing is made, whatever was made of it before: Snakemake itself removes what a job that fails makes
        rules.aggregate.input,
        rules.aggregate.output,
        rules.compare.output,
        rules.claims.output,
        rules.scorecard.output,
        rules.report.output,
        DRAWN,
    message:
        "All of {SUITE.file.suite}"


rule figures:
    input:
        rules.aggregate.input,
        rules.aggregate.output,
        DRAWN,
    message:
        "All tables and figures of {SUITE.file.suite}"
