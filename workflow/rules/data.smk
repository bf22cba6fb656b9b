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


rule own_data:
    output:
        f"{RESULTS}/data/{{dataset}}/{{where}}.json",
    log:
        f"{RESULTS}/logs/data/{{dataset}}/{{where}}.log",
    wildcard_constraints:
        where="[0-9a-f]{8}",
    conda:
        ENVIRONMENT
    resources:
        words=own_data_words,
    message:
        "Finding and verifying {wildcards.dataset} ({wildcards.where})"
    shell:
        "python -m dst_repro data {wildcards.dataset:q} {output:q} {resources.words} 2> {log:q}"
