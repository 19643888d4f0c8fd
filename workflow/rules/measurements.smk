# Measurements: what a diagnostic makes of a representation, by a fitted predictor, a key or nothing else. The config knows
# their kinds, and there is one rule for each: measure_lagged, measure_injection, measure_corrections, measure_free_runs,
# measure_clusters. A kind says which models it reads, how its files are named, and whether it wants a GPU.


def measured_by(kind):
    """The folder of what measures: a predictor's training run, a key, or the representation itself."""
    by = {"predictor": "/{predictor}/seed{seed}", "key": "/{key}", "representation": ""}
    return "results/{corpus}/{representation}" + by[kind.by]


def measured(wildcards, file):
    """The files of all measurements that a table's rows are made of: their metrics, or their sums by speaker."""
    return [
        f"{measured_by(CONFIG.measurement_kind(m.kind))}/{getattr(m, file)}".format(
            corpus=m.corpus, representation=m.representation, predictor=m.by, key=m.by, seed=m.seed
        )
        for m in table_of(wildcards).measurements(CONFIG, wildcards.corpus)
        if getattr(m, file)
    ]


def files_of(kind):
    """What a measurement of this kind writes: its metrics and, of most kinds, its sums by speaker."""
    names = {"metrics": kind.metrics, "sums": kind.sums}
    return {file: measured_by(kind) + "/" + name.format(variant="{correction}") for file, name in names.items() if name}


def beside(kind, folder, suffix):
    """The log or the benchmark of a measurement: of several settings, each its own."""
    variant = "_{correction}" if "{variant}" in kind.metrics else ""
    return f"{measured_by(kind)}/{folder}/measure_{kind.measurement}{variant}.{suffix}"


def names_of(kind, wildcards):
    """What a measurement is by, and the name of its settings where a kind has several."""
    return wildcards.get(kind.by), wildcards.get("correction")


def models_of(kind, wildcards):
    """The models that a measurement reads, by their role in it: handle, kind, and the settings they must be of."""
    return {
        role: {"handle": checkpoint(wildcards, m.name, m.kind), "kind": m.kind, "settings": m.settings}
        for role, m in kind.models(CONFIG, *names_of(kind, wildcards)).items()
    }


def modules_of(kind, wildcards):
    """The modules that the models' kinds pick by name."""
    return {m.module for m in kind.models(CONFIG, *names_of(kind, wildcards)).values()}


def measurement_of(kind, wildcards):
    by, variant = names_of(kind, wildcards)
    return kind.of(CONFIG, wildcards.corpus, wildcards.representation, by, int(wildcards.get("seed", 0)), variant)


for kind in CONFIG.measurement_kinds():

    rule:
        name:
            f"measure_{kind.measurement}"
        input:
            lambda w, kind=kind: [model["handle"] for model in models_of(kind, w).values()],
            latents="results/{corpus}/{representation}/latents.json",
            frames="results/{corpus}/{representation}/frames.json",
        output:
            **files_of(kind),
        log:
            beside(kind, "logs", "log"),
        benchmark:
            beside(kind, "benchmarks", "tsv")
        conda:
            "../envs/latentdyn.yaml"
        threads: kind.threads or threads_of
        resources:
            gpu=int(kind.needs_gpu),
            mem_mb=memory(3000, copies=1.2),
            runtime=minutes(kind.minutes[0], mb_per_minute=kind.minutes[1]),
        params:
            float32_matmul=CONFIG.compute.float32_matmul,
            code=lambda w, kind=kind: code_digest("latentdyn.steps.measure", kind.module, *modules_of(kind, w)),
            identity=lambda w, kind=kind: canonical_json(measurement_of(kind, w).identity()),
            models=lambda w, kind=kind: canonical_json(models_of(kind, w)),
            settings=lambda w, kind=kind: canonical_json(kind.settings(CONFIG, *names_of(kind, w))),
            device="any" if kind.needs_gpu else "cpu",
            sums=lambda w, output: output.get("sums", []),
        shell:
            "python -m latentdyn.steps.measure --identity {params.identity:q} --latents {input.latents:q}"
            " --frames {input.frames:q} --models {params.models:q} --settings {params.settings:q}"
            " --device {params.device} --float32-matmul {params.float32_matmul:q}"
            " --metrics {output.metrics:q} --sums {params.sums:q} >{log:q} 2>&1"
