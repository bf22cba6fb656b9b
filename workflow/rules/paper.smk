# The whole item and the source that draws it are parameters: what is changed is drawn again, and nothing else.
rule table:
    input:
        rules.aggregate.output,
    output:
        report(
            f"{SUITE_RESULTS}/{{item}}.html",
            caption="../report/item.rst",
            category="Tables",
            labels=lambda wildcards: {
                "item": embedded.label(SUITE.items[TABLES[wildcards.item]].title)
            },
        ),
        multiext(f"{SUITE_RESULTS}/{{item}}", ".csv", ".md", ".tex"),
    log:
        f"{RESULTS}/logs/{SUITE.file.suite}/{{item}}.log",
    wildcard_constraints:
        item="|".join(TABLES) or "none",
    conda:
        ENVIRONMENT
    params:
        name=lambda wildcards: TABLES[wildcards.item],
        item=lambda wildcards: embedded.as_json(
            SUITE.items[TABLES[wildcards.item]].model_dump_json()
        ),
        caption=lambda wildcards: embedded.caption(
            SUITE.items[TABLES[wildcards.item]].caption
        ),
        code=lambda wildcards: drawn_by(SUITE.items[TABLES[wildcards.item]]),
        suite=SUITE_JSON,
        source=SOURCE,
    message:
        "Table {wildcards.item}"
    shell:
        "python -m dst_repro table {params.name:q} --suite {params.suite:q} --source {params.source:q} 2> {log:q}"


rule figure:
    input:
        rules.aggregate.output,
    output:
        report(
            f"{SUITE_FIGURES}/{{item}}.svg",
            caption="../report/item.rst",
            category="Figures",
            labels=lambda wildcards: {
                "item": embedded.label(SUITE.items[FIGURES[wildcards.item]].title)
            },
        ),
        multiext(f"{SUITE_FIGURES}/{{item}}", ".pdf", ".png", ".csv"),
    log:
        f"{RESULTS}/logs/{SUITE.file.suite}/{{item}}.log",
    wildcard_constraints:
        item="|".join(FIGURES) or "none",
    conda:
        ENVIRONMENT
    params:
        name=lambda wildcards: FIGURES[wildcards.item],
        item=lambda wildcards: embedded.as_json(
            SUITE.items[FIGURES[wildcards.item]].model_dump_json()
        ),
        caption=lambda wildcards: embedded.caption(
            SUITE.items[FIGURES[wildcards.item]].caption
        ),
        code=lambda wildcards: drawn_by(SUITE.items[FIGURES[wildcards.item]]),
        suite=SUITE_JSON,
        source=SOURCE,
    message:
        "Figure {wildcards.item}"
    shell:
        "python -m dst_repro figure {params.name:q} --suite {params.suite:q} --source {params.source:q} 2> {log:q}"
