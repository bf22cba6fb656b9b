def data_name(run):
    """Of a data set, and of where it lies if its parameters say so: what its file is called by."""
    where = required("dataset", run.dataset, run.dataset_params)
    text = json.dumps(where, sort_keys=True)
    return run.dataset + (
        f"-{hashlib.sha256(text.encode()).hexdigest()[:8]}" if where else ""
    )


# name -> what the command gets: the data set, and the parameters without which it can't be read
DATA = {data_name(run): run for run in SUITE.runs.values()}


def data_words(wildcards):
    run = DATA[wildcards.data]
    where = required("dataset", run.dataset, run.dataset_params)
    return [run.dataset, *PLUGINS, *(["--params", json.dumps(where)] if where else [])]


rule data:
    output:
        f"{RESULTS}/data/{{data}}.json",
    log:
        f"{RESULTS}/logs/data/{{data}}.log",
    params:
        words=data_words,
    conda:
        ENVIRONMENT
    message:
        "Finding and verifying {wildcards.data}"
    shell:
        "python -m dst_repro data {params.words:q} {output:q} 2> {log:q}"
