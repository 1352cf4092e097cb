"""The data set: the raw files, and the arrays that every later stage reads."""


rule download:
    input:
        request="results/{experiment}/requests/download.json",
    output:
        source="data/{experiment}/source.json",
        manifest="results/{experiment}/download/manifest.json",
    log:
        "logs/{experiment}/download.log",
    conda:
        "../envs/vlac.yaml"
    resources:
        mem_mb=memory(500, copies=4),
        runtime="30m",
    message:
        "Fetch or render the raw files"
    shell:
        "python -m vlac download"


rule prepare:
    input:
        request="results/{experiment}/requests/prepare.json",
        source="data/{experiment}/source.json",
    output:
        train="data/{experiment}/train.npz",
        test="data/{experiment}/test.npz",
        manifest="results/{experiment}/prepare/manifest.json",
    log:
        "logs/{experiment}/prepare.log",
    conda:
        "../envs/vlac.yaml"
    resources:
        mem_mb=memory(1000, copies=8),
        runtime="1h",
    message:
        "Check the raw files and split them"
    shell:
        "python -m vlac prepare"


rule describe:
    input:
        request="results/{experiment}/requests/describe.json",
        source="data/{experiment}/source.json",
        train="data/{experiment}/train.npz",
        test="data/{experiment}/test.npz",
    output:
        report=report("reports/{experiment}/data.md", category="Data"),
        sheet=report("reports/{experiment}/data.png", category="Data", caption="../report/describe.rst"),
        manifest="results/{experiment}/describe/manifest.json",
    log:
        "logs/{experiment}/describe.log",
    conda:
        "../envs/vlac.yaml"
    resources:
        mem_mb=memory(1000, copies=4),
        runtime="30m",
    message:
        "Describe the data set"
    shell:
        "python -m vlac describe"
