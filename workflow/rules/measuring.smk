# What the rules of measurements share: where a measurement's files lie, what it reads, and what its step is told.


def measured_by(kind):
    """The folder of what measures: a predictor's training run, a key, or the representation itself."""
    return {
        "predictor": "results/{corpus}/{representation}/{predictor}/seed{seed}",
        "key": "results/{corpus}/{representation}/{key}",
        "representation": "results/{corpus}/{representation}",
    }[kind.by]


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
    folder, names = measured_by(kind), {"metrics": kind.metrics, "sums": kind.sums}
    return {file: f"{folder}/{name.format(variant='{correction}')}" for file, name in names.items() if name}


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
