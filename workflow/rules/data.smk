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


def own_data(run):
    """Of a data set that lies where its parameters say: the name of its file; nothing for others."""
    where = required("dataset", run.dataset, run.dataset_params)
    text = json.dumps(where, sort_keys=True)
    sum_of_it = hashlib.sha256(text.encode()).hexdigest()[:8]
    return f"{run.dataset}/{sum_of_it}" if where else None


OWN_DATA = {own_data(run): run for run in SUITE.runs.values()}


def own_data_words(wildcards):
    run = OWN_DATA[f"{wildcards.dataset}/{wildcards.where}"]
    where = required("dataset", run.dataset, run.dataset_params)
    return shlex.join(["--params", json.dumps(where, sort_keys=True), *PLUGINS])


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
