# Tables and figures: views of measurements beside the published values. A table's entry in the config names what it
# needs. What its rows were measured with is joined in results/{corpus}/measured/{table}/.


rule collect_metrics:
    """Join what a table's rows were measured with: records, sums by speaker, worst frames."""
    input:
        metrics=lambda w: measured(w, "metrics"),
        sums=lambda w: measured(w, "sums"),
    output:
        metrics="results/{corpus}/measured/{table}/metrics.parquet",
        speakers="results/{corpus}/measured/{table}/speakers.parquet",
        worst_frames="results/{corpus}/measured/{table}/worst_frames.parquet",
    log:
        "results/{corpus}/logs/collect_metrics/{table}.log",
    conda:
        "../envs/latentdyn.yaml"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        inputs=presence,
        code=code_digest("latentdyn.steps.collect_metrics"),
    shell:
        "python -m latentdyn.steps.collect_metrics --metrics {input.metrics:q} --sums {input.sums:q}"
        " --metrics-out {output.metrics:q} --sums-out {output.speakers:q}"
        " --worst-frames-out {output.worst_frames:q} >{log:q} 2>&1"


rule tabulate_metrics:
    """A table, in the form that its kind has; the JSON is for what shows several tables."""
    input:
        metrics="results/{corpus}/measured/{table}/metrics.parquet",
        speakers="results/{corpus}/measured/{table}/speakers.parquet",
        worst_frames="results/{corpus}/measured/{table}/worst_frames.parquet",
    output:
        csv="results/{corpus}/tables/{table}.csv",
        md="results/{corpus}/tables/{table}.md",
        tex="results/{corpus}/tables/{table}.tex",
        sheet="results/{corpus}/tables/{table}.sheet.json",
    log:
        "results/{corpus}/logs/tabulate_metrics/{table}.log",
    conda:
        "../envs/latentdyn.yaml"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        inputs=presence,
        code=lambda w: code_digest(
            "latentdyn.steps.tabulate_metrics", *table_of(w).view_code(CONFIG, "tabulate"), presentation=True
        )
        + judged_by(w),
        table=lambda w: table_of(w).canonical(),
        plan=plan_of,
    shell:
        "python -m latentdyn.steps.tabulate_metrics --metrics {input.metrics:q} --speakers {input.speakers:q}"
        " --worst-frames {input.worst_frames:q} --table {params.table:q} --plan {params.plan:q}"
        " --csv {output.csv:q} --markdown {output.md:q} --latex {output.tex:q} --sheet {output.sheet:q} >{log:q} 2>&1"


rule plot_metrics:
    """A table's figure: an image, and the same as lines and letters."""
    input:
        metrics="results/{corpus}/measured/{table}/metrics.parquet",
        speakers="results/{corpus}/measured/{table}/speakers.parquet",
        worst_frames="results/{corpus}/measured/{table}/worst_frames.parquet",
    output:
        png=report(
            "results/{corpus}/figures/{table}.png",
            caption="../report/figure.rst",
            category="{corpus}",
            subcategory=lambda w: table_of(w).kind,
        ),
        svg="results/{corpus}/figures/{table}.svg",
    log:
        "results/{corpus}/logs/plot_metrics/{table}.log",
    conda:
        "../envs/latentdyn.yaml"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        inputs=presence,
        code=lambda w: code_digest(
            "latentdyn.steps.plot_metrics", *table_of(w).view_code(CONFIG, "draw"), presentation=True
        )
        + judged_by(w),
        table=lambda w: canonical_json(table_of(w).model_dump(mode="json", exclude=set(table_of(w).not_in_figure))),
        plan=plan_of,
    shell:
        "python -m latentdyn.steps.plot_metrics --metrics {input.metrics:q} --speakers {input.speakers:q}"
        " --worst-frames {input.worst_frames:q} --table {params.table:q} --plan {params.plan:q}"
        " --png {output.png:q} --svg {output.svg:q} >{log:q} 2>&1"


localrules:
    collect_metrics,
    tabulate_metrics,
    plot_metrics,
