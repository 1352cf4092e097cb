"""The hyper-parameter search of search.yaml, no part of `all`: `snakemake --cores 4 reports/search.md`."""

SEARCHED = SEARCH[-1][0].experiment if SEARCH else "search"
TRIALS = {job.model: asked for job, asked in SEARCH if job.model}


rule trial:
    input:
        request=f"results/{SEARCHED}/requests/trial/{{trial}}/{{seed}}.json",
        train=f"data/{EXPERIMENT}/train.npz",
    output:
        scores=f"results/{SEARCHED}/trial/{{trial}}/{{seed}}/scores.csv",
        history=f"results/{SEARCHED}/trial/{{trial}}/{{seed}}/history.csv",
        manifest=f"results/{SEARCHED}/trial/{{trial}}/{{seed}}/manifest.json",
    log:
        f"logs/{SEARCHED}/trial/{{trial}}/{{seed}}.log",
    wildcard_constraints:
        trial="|".join(TRIALS),
    conda:
        "../envs/vlac.yaml"
    threads: lambda wildcards: TRIALS[wildcards.trial].training.threads
    resources:
        mem_mb=memory(4000, copies=8),
        runtime="24h",
        gpu=lambda wildcards: gpus(wildcards, TRIALS[wildcards.trial]),
    message:
        "Try {wildcards.trial}, seed {wildcards.seed}"
    shell:
        "python -m vlac trial --model {wildcards.trial} --seed {wildcards.seed}"


rule search:
    input:
        request=f"results/{SEARCHED}/requests/search.json",
        trials=tried,
    output:
        report=report("reports/search.md", category="Search"),
        csv=report("reports/search.csv", category="Search"),
        manifest=f"results/{SEARCHED}/search/manifest.json",
    log:
        f"logs/{SEARCHED}/search.log",
    conda:
        "../envs/vlac.yaml"
    resources:
        mem_mb=memory(1000),
        runtime="30m",
    message:
        "Gather the trials and apply the rule"
    shell:
        "python -m vlac search"
