def item_json(items):
    """A rule parameter: a changed item is drawn again, and nothing else."""
    return lambda wildcards: SUITE.items[items[wildcards.item]].model_dump_json()


def item_title(items):
    """What the report's index calls it."""
    return lambda wildcards: {"item": SUITE.items[items[wildcards.item]].title}


rule table:
    input:
        rules.aggregate.output,
    output:
        report(
            f"{SUITE_RESULTS}/{{item}}.html",
            caption="../report/item.rst",
            category="Tables",
            labels=item_title(TABLES),
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
        item=item_json(TABLES),
        suite=SUITE_JSON,
        source=SOURCE,
    message:
        "Table {wildcards.item}"
    shell:
        "python -m dst_repro table {params.name} --suite {params.suite:q} --source {params.source:q} 2> {log}"


rule figure:
    input:
        rules.aggregate.output,
    output:
        report(
            f"{SUITE_FIGURES}/{{item}}.svg",
            caption="../report/item.rst",
            category="Figures",
            labels=item_title(FIGURES),
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
        item=item_json(FIGURES),
        suite=SUITE_JSON,
        source=SOURCE,
    message:
        "Figure {wildcards.item}"
    shell:
        "python -m dst_repro figure {params.name} --suite {params.suite:q} --source {params.source:q} 2> {log}"
