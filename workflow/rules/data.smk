rule data:
    output:
        f"{RESULTS}/data/{{dataset}}.json",
    log:
        f"{RESULTS}/logs/data/{{dataset}}.log",
    conda:
        ENVIRONMENT
    message:
        "Finding and verifying {wildcards.dataset}"
    shell:
        " ".join(
            [
                "python -m dst_repro data {wildcards.dataset:q} {output:q}",
                *map(shlex.quote, PLUGINS),
                "2> {log:q}",
            ]
        )
