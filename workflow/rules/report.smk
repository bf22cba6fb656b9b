rule report:
    input:
        rules.aggregate.output,
        rules.compare.output,
        rules.claims.output,
        expand(f"{SUITE_RESULTS}/{{item}}.html", item=TABLES),
        expand(f"{SUITE_FIGURES}/{{item}}.svg", item=FIGURES),
    output:
        f"{SUITE_RESULTS}/report.html",
    log:
        f"{RESULTS}/logs/{SUITE.file.suite}/report.log",
    conda:
        ENVIRONMENT
    params:
        suite=SUITE_JSON,
        source=SOURCE,
        code=source_of("dst_repro.report.page"),
    message:
        "Writing the report of {SUITE.file.suite}"
    shell:
        "python -m dst_repro report --suite {params.suite:q} --source {params.source:q} 2> {log:q}"


# The suite is a parameter: when another suite ran in between, the copies are made again. The links of a page that lies
# one folder higher are one step shorter.
rule latest:
    input:
        report=f"{SUITE_RESULTS}/report.html",
        comparison=multiext(f"{SUITE_RESULTS}/comparison", ".csv", ".md", ".html"),
        claims=rules.claims.output,
        scorecard=rules.scorecard.output,
    output:
        report=f"{RESULTS}/report.html",
        comparison=multiext(f"{RESULTS}/comparison", ".csv", ".md", ".html"),
        claims=multiext(f"{RESULTS}/claims", ".csv", ".md"),
        scorecard=multiext(f"{RESULTS}/scorecard", ".csv", ".md"),
    log:
        f"{RESULTS}/logs/latest.log",
    conda:
        ENVIRONMENT
    params:
        suite=SUITE.file.suite,
        folder=lambda wildcards, output: Path(output[0]).parent,
    message:
        "The report is {output.report}"
    shell:
        "cp -- {input.comparison:q} {input.claims:q} {input.scorecard:q} {params.folder:q} 2> {log:q}"
        """ && sed 's|href="[.][.]/|href="|g' {input.report:q} > {output.report:q} 2>> {log:q}"""


# Last: a failed run is a recorded outcome that tables show, but the call as a whole has not succeeded.
rule check:
    input:
        rules.aggregate.output,
        rules.latest.output,
    output:
        touch(f"{SUITE_RESULTS}/checked"),
    log:
        f"{RESULTS}/logs/{SUITE.file.suite}/check.log",
    conda:
        ENVIRONMENT
    params:
        suite=SUITE_JSON,
        source=SOURCE,
    message:
        "Checking that no run of {SUITE.file.suite} failed"
    shell:
        "python -m dst_repro status --strict --suite {params.suite:q} --source {params.source:q} > {log:q} 2>&1"
