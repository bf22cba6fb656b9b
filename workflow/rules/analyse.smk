rule aggregate:
    input:
        RECORDS,
    output:
        multiext(f"{SUITE_RESULTS}/", "runs.parquet", "history.parquet"),
    log:
        f"{RESULTS}/logs/{SUITE.file.suite}/aggregate.log",
    conda:
        ENVIRONMENT
    params:
        suite=SUITE_JSON,
        source=SOURCE,
        plan=SUITE.digest,
        code=source_of("dst_repro.records.frames"),
    message:
        "Aggregating {SUITE.file.suite}: runs and histories into two frames"
    shell:
        "python -m dst_repro aggregate --suite {params.suite:q} --source {params.source:q} 2> {log:q}"


rule claims:
    input:
        rules.aggregate.output,
    output:
        multiext(f"{SUITE_RESULTS}/claims", ".csv", ".md"),
    log:
        f"{RESULTS}/logs/{SUITE.file.suite}/claims.log",
    conda:
        ENVIRONMENT
    params:
        suite=SUITE_JSON,
        source=SOURCE,
        claims={name: claim.model_dump() for name, claim in SUITE.claims.items()},
        code=source_of(
            "dst_repro.claims.write",
            "dst_repro.claims.answering",
            *sorted(
                {
                    look_up("claim rule", claim.rule)["module"]
                    for claim in SUITE.claims.values()
                }
            ),
        ),
    message:
        "Answering the claims of {SUITE.file.suite}"
    shell:
        "python -m dst_repro claims --suite {params.suite:q} --source {params.source:q} 2> {log:q}"


rule compare:
    input:
        rules.aggregate.output,
        SUITE.file.plans,
    output:
        report(
            f"{SUITE_RESULTS}/comparison.html",
            caption="../report/comparison.rst",
            category="Comparison with published numbers",
        ),
        multiext(f"{SUITE_RESULTS}/comparison", ".csv", ".md"),
    log:
        f"{RESULTS}/logs/{SUITE.file.suite}/compare.log",
    conda:
        ENVIRONMENT
    params:
        suite=SUITE_JSON,
        source=SOURCE,
        code=source_of("dst_repro.compare.write", "dst_repro.compare.frame"),
    message:
        "Comparing {SUITE.file.suite} with the published numbers"
    shell:
        "python -m dst_repro compare --suite {params.suite:q} --source {params.source:q} 2> {log:q}"


rule scorecard:
    input:
        rules.aggregate.output,
        rules.compare.output,
        rules.claims.output,
    output:
        multiext(f"{SUITE_RESULTS}/scorecard", ".csv", ".md"),
    log:
        f"{RESULTS}/logs/{SUITE.file.suite}/scorecard.log",
    conda:
        ENVIRONMENT
    params:
        suite=SUITE_JSON,
        source=SOURCE,
        code=source_of("dst_repro.report.scorecard"),
    message:
        "Counting what of {SUITE.file.suite} came out again"
    shell:
        "python -m dst_repro scorecard --suite {params.suite:q} --source {params.source:q} 2> {log:q}"
