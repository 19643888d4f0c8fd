# Tables: views of metric records beside the published values. A table's entry in the config names what it needs.


rule collect_metrics:
    """Join the metrics of a corpus into one long table."""
    input:
        lambda w: [f"results/{w.corpus}/{r}/{p}/seed{s}/metrics.json" for r, p, s in measured(w.corpus)],
    output:
        "results/{corpus}/metrics.parquet",
    log:
        "results/{corpus}/logs/collect_metrics.log",
    conda:
        "../envs/latentdyn.yaml"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        code=code_digest("latentdyn.steps.collect_metrics"),
        identities=lambda w: [
            canonical_json(
                {
                    "corpus": w.corpus,
                    "representation": r,
                    "predictor": p,
                    "regime": "teacher_forced",
                    "seed": s,
                }
            )
            for r, p, s in measured(w.corpus)
        ],
    shell:
        "python -m latentdyn.steps.collect_metrics --metrics {input:q} --identities {params.identities:q}"
        " --out {output:q} >{log:q} 2>&1"


rule tabulate_lagged:
    """The Phase 1 table: a row for each representation, predictor, split and horizon."""
    input:
        "results/{corpus}/metrics.parquet",
    output:
        csv="results/{corpus}/tables/{table}.csv",
        md="results/{corpus}/tables/{table}.md",
        tex="results/{corpus}/tables/{table}.tex",
    log:
        "results/{corpus}/logs/tabulate_lagged/{table}.log",
    wildcard_constraints:
        table=one_of(n for n, t in CONFIG.tables.items() if t.kind == "lagged"),
    conda:
        "../envs/latentdyn.yaml"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        code=code_digest("latentdyn.steps.tabulate_lagged"),
        table=lambda w: table_of(w).canonical(),
        kinds=lambda w: canonical_json(table_kinds(w)),
    shell:
        "python -m latentdyn.steps.tabulate_lagged --metrics {input:q} --table {params.table:q}"
        " --corpus {wildcards.corpus} --kinds {params.kinds:q} --csv {output.csv:q} --markdown {output.md:q}"
        " --latex {output.tex:q} >{log:q} 2>&1"


rule plot_lagged:
    """The Phase 1 figure: predictability over the staleness of the context."""
    input:
        "results/{corpus}/metrics.parquet",
    output:
        report("results/{corpus}/figures/{table}.png", caption="../report/lagged.rst", category="Phase 1"),
    log:
        "results/{corpus}/logs/plot_lagged/{table}.log",
    wildcard_constraints:
        table=one_of(n for n, t in CONFIG.tables.items() if t.kind == "lagged"),
    conda:
        "../envs/latentdyn.yaml"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        code=code_digest("latentdyn.steps.plot_lagged"),
        table=lambda w: canonical_json(table_of(w).model_dump(mode="json", exclude={"columns"})),
        kinds=lambda w: canonical_json(table_kinds(w)),
    shell:
        "python -m latentdyn.steps.plot_lagged --metrics {input:q} --table {params.table:q}"
        " --kinds {params.kinds:q} --figure {output:q} >{log:q} 2>&1"


localrules:
    collect_metrics,
    tabulate_lagged,
    plot_lagged,
