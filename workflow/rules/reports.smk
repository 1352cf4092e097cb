"""What a person reads: the figures of every model, and Table 1."""


rule figures:
    input:
        request="results/{experiment}/requests/figures/{model}/{seed}.json",
        test="data/{experiment}/test.npz",
        trained="results/{experiment}/train/{model}/{seed}/manifest.json",
    output:
        figures=report(
            directory("reports/{experiment}/figures/{model}/{seed}"),
            patterns=["{figure}.png"],
            category="Figures",
            caption="../report/figures.rst",
            labels={"model": "{model}", "seed": "{seed}", "figure": "{figure}"},
        ),
        manifest="results/{experiment}/figures/{model}/{seed}/manifest.json",
    log:
        "logs/{experiment}/figures/{model}/{seed}.log",
    conda:
        "../envs/vlac.yaml"
    threads: THREADS
    resources:
        mem_mb=memory(2000, copies=2),
        runtime="1h",
    message:
        "Draw the figures of {wildcards.model}, seed {wildcards.seed}"
    shell:
        "python -m vlac figures --model {wildcards.model} --seed {wildcards.seed}"


rule table:
    input:
        request=f"results/{EXPERIMENT}/requests/table.json",
        source=f"data/{EXPERIMENT}/source.json",
        rung=f"results/{EXPERIMENT}/rung/manifest.json",
        scores=expand(
            f"results/{EXPERIMENT}/evaluate/{{model}}/{{seed}}/manifest.json", model=PARAMS.models, seed=PARAMS.seeds
        ),
    output:
        table="reports/table1.md",
        html=report("reports/table1.html", category="Table 1", caption="../report/table.rst"),
        csv=report("reports/table1.csv", category="Table 1"),
        png=report("reports/table1.png", category="Table 1"),
        metrics=directory("reports/metrics"),
        plots=directory("reports/plots"),
        manifest=f"results/{EXPERIMENT}/table/manifest.json",
    log:
        f"logs/{EXPERIMENT}/table.log",
    conda:
        "../envs/vlac.yaml"
    resources:
        mem_mb=memory(1000),
        runtime="30m",
    message:
        "Fill Table 1"
    shell:
        "python -m vlac table"
