# What the rules of measurements and tables share: where a measurement's files lie, what it reads, what its step is told,
# and which gates judge a table.


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
    files = {file: f"{folder}/{name.format(variant=f'{{{kind.variant}}}')}" for file, name in names.items() if name}
    return files | ({"folder": directory(f"{folder}/{kind.folder}")} if kind.folder else {})


def heard_from(kind):
    """What a kind that hears recordings reads besides: what lists them. One that decodes also reads the latents of the
    chain and the codec's weights."""
    recordings = {"recordings": ["results/{corpus}/manifest.json", "results/{corpus}/manifest.parquet"]}
    if not kind.decodes:
        return recordings if kind.hears else {}
    return recordings | {
        "chain": lambda w: handles_to(w, w.representation),
        "weights": readable(lambda w: weights_of(CONFIG.chain(w.representation)[0])),
    }


def handles_to(wildcards, name):
    """The handles of all latents from the root to a representation."""
    return [f"results/{wildcards.corpus}/{link}/latents.json" for link in CONFIG.chain(name)]


def compared_with(kind):
    """What a kind that compares reads besides: the latents from the root to both representations."""
    if not kind.compares:
        return {}
    return {
        "chain": lambda w: handles_to(w, w.representation),
        "reference": lambda w: handles_to(w, w.reference),
    }


def chains_of(kind, wildcards):
    """What the step of a kind that compares is told of the way to the reference."""
    if not kind.compares:
        return []
    ends = {"own": wildcards.representation, "reference": wildcards.reference}
    return canonical_json({end: handles_to(wildcards, name) for end, name in ends.items()})


def aligned_by(kind):
    """What a kind that asks for phones reads besides: the handle of the audio that their times were made with."""
    return {"alignments": "results/{corpus}/audio.json"} if kind.aligned else {}


def alignments_of(kind, wildcards):
    """The times of phones that the step of such a kind is told of."""
    return corpus_of(wildcards).alignments(f"results/{wildcards.corpus}/audio") if kind.aligned else []


def recordings_of(kind, wildcards):
    """Where the recordings are, as the step of a kind that hears them is told."""
    if not kind.hears:
        return []
    return canonical_json({"manifest": f"results/{wildcards.corpus}/manifest.parquet", "audio": corpus_root(wildcards)})


def decoding_of(kind, wildcards):
    """What the step of a kind that decodes is told of the way back to audio."""
    if not kind.decodes:
        return []
    chain = CONFIG.chain(wildcards.representation)
    return canonical_json(
        {
            "codec": CONFIG.all_representations[chain[0]].model_dump(mode="json"),
            "chain": handles_to(wildcards, wildcards.representation),
            "manifest": f"results/{wildcards.corpus}/manifest.parquet",
            "audio": corpus_root(wildcards),
        }
    )


def code_of(kind, wildcards):
    """The modules that a measurement reaches by computed names: its kind, its models' kinds, and what it decodes or
    compares with."""
    modules = [kind.module, *modules_of(kind, wildcards)]
    if kind.decodes:
        modules += [CONFIG.all_representations[link].module for link in CONFIG.chain(wildcards.representation)]
    if kind.compares:
        links = [*CONFIG.chain(wildcards.representation)[1:], *CONFIG.chain(wildcards.reference)[1:]]
        modules += [CONFIG.all_representations[link].module for link in links]
    return sorted(set(modules), key=modules.index)


def log_of(kind):
    """The log of a measurement: of several settings, each its own."""
    variant = f"_{{{kind.variant}}}" if kind.variant else ""
    return f"{measured_by(kind)}/logs/measure_{kind.measurement}{variant}.log"


def names_of(kind, wildcards):
    """What a measurement is by, and the name of its settings where a kind has several."""
    return wildcards.get(kind.by), wildcards.get(kind.variant)


def models_of(kind, wildcards):
    """The models that a measurement reads, by their role in it: handle, kind, the settings they must be of, and the data
    that they were fitted to where these are not those that are measured."""
    found = {}
    for role, m in kind.models(CONFIG, *names_of(kind, wildcards)).items():
        handle = checkpoint(wildcards, m.name, m.kind, m.fitted_on)
        found[role] = {"handle": handle, "kind": m.kind, "settings": m.settings}
        if m.fitted_on:
            folder = f"results/{m.fitted_on}/{wildcards.representation}"
            found[role] |= {"latents": f"{folder}/latents.json", "frames": f"{folder}/frames.json"}
    return found


def files_of_models(kind, wildcards):
    """The handles that a measurement reads beside those of what it measures."""
    return [
        m[file] for m in models_of(kind, wildcards).values() for file in ("handle", "latents", "frames") if file in m
    ]


def modules_of(kind, wildcards):
    """The modules that the models' kinds pick by name."""
    return {m.module for m in kind.models(CONFIG, *names_of(kind, wildcards)).values()}


def measurement_of(kind, wildcards):
    by, variant = names_of(kind, wildcards)
    return kind.of(CONFIG, wildcards.corpus, wildcards.representation, by, int(wildcards.get("seed", 0)), variant)


def gates_digest(names):
    """A digest of what these gates ask; "all" is every gate."""
    from latentdyn.reporting.criteria import digest_of

    try:
        return digest_of(names)
    except UserError as error:
        raise WorkflowError(str(error)) from None


def gates_of_tables():
    """Digests of the gates that tables are judged by, by the name of the table."""
    return {name: gates_digest(table.gates) for name, table in CONFIG.tables.items() if table.gates}


GATES = gates_of_tables()


def judged_by(wildcards):
    """What follows the digest of the code of a table that is judged by gates; nothing after that of others."""
    return f"-{GATES[wildcards.table]}" if wildcards.table in GATES else ""
