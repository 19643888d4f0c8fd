# Shared by the other files: the validated config, look-ups by name, digests of code.
import shlex
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

# the package of this checkout, here and in every job, whether or not it is installed
_SOURCE = str(Path(workflow.basedir) / "src")
sys.path.insert(0, _SOURCE)
_ENVIRONMENT = "export PYTHONPATH=" + shlex.quote(_SOURCE) + "${{PYTHONPATH:+:$PYTHONPATH}}; "
shell.prefix(_ENVIRONMENT)

from latentdyn.config import load_config
from latentdyn.config.representations import Encoder, Outliers, Pooled, Process, Provided, Surrogate
from latentdyn.corpus.folder import folder_files
from latentdyn.corpus.librispeech import librispeech_files
from latentdyn.errors import UserError
from latentdyn.files import canonical_json
from latentdyn.models.naming import model_module
from latentdyn.predictors.naming import predictor_module
from latentdyn.processes.naming import process_module
from latentdyn.provenance import code_digest
from latentdyn.reporting.naming import figure_module, table_module

try:
    CONFIG = load_config(config)
except UserError as error:
    raise WorkflowError(str(error)) from None


if CONFIG.compute.require_gpu:
    shell.prefix(f"{_ENVIRONMENT}export LATENTDYN_REQUIRE_GPU=1; ")


def one_of(names):
    return "|".join(names) or "none^"  # a wildcard that nothing matches


def of_kind(*kinds):
    """The representations that are of these kinds, surrogates that tables ask for included."""
    return [name for name, r in CONFIG.all_representations.items() if isinstance(r, kinds)]


DOWNLOADED = [n for n, c in CONFIG.corpora.items() if c.kind == "librispeech" and c.url]
SPOKEN = [n for n, c in CONFIG.corpora.items() if c.kind == "demo"]
NUMBERED = [n for n, c in CONFIG.corpora.items() if c.kind == "synthetic"]


wildcard_constraints:
    corpus=one_of(CONFIG.corpora),
    representation=one_of(CONFIG.all_representations),
    predictor=one_of(CONFIG.all_predictors),
    key=one_of(CONFIG.keys),
    correction=one_of(CONFIG.corrections),
    table=one_of(CONFIG.tables),
    seed=r"\d+",
    part=r"\d+",
    n_parts=r"\d+",


def corpus_of(wildcards):
    return CONFIG.corpora[wildcards.corpus]


def representation_of(wildcards):
    return CONFIG.all_representations[wildcards.representation]


def predictor_of(wildcards):
    return CONFIG.all_predictors[wildcards.predictor]


def threads_of(wildcards):
    """Two for a network; a closed form or a density without context is done before a second one helps."""
    network = getattr(predictor_of(wildcards), "network", None)
    return 1 if network is None or network.kind == "none" else 2


def start_of(wildcards):
    """The checkpoint that a predictor is trained on from, if it is."""
    name = getattr(predictor_of(wildcards), "starts_from", None)
    return [] if name is None else checkpoint(wildcards, name)


def ceiling_of(wildcards):
    """The checkpoint whose horizons bound what a predictor can forecast: the first that it continues, or its own."""
    return checkpoint(wildcards, CONFIG.origin(wildcards.predictor))


def checkpoint(wildcards, predictor):
    return f"results/{wildcards.corpus}/{wildcards.representation}/{predictor}/seed{wildcards.seed}/predictor.json"


def key_of(wildcards):
    return CONFIG.keys[wildcards.key]


def correction_of(wildcards):
    return CONFIG.corrections[wildcards.correction]


def table_of(wildcards):
    return CONFIG.tables[wildcards.table]


def readable(function):
    """An input function whose mistakes are told in one paragraph."""

    def call(wildcards):
        try:
            return function(wildcards)
        except UserError as error:
            raise WorkflowError(str(error)) from None

    return call


def corpus_root(wildcards):
    """The folder of a corpus's audio; of kind latents, its CSV."""
    corpus = corpus_of(wildcards)
    if corpus.kind == "latents":
        return corpus.index
    if wildcards.corpus in DOWNLOADED:
        return f"results/{wildcards.corpus}/audio/LibriSpeech"
    return f"results/{wildcards.corpus}/audio" if wildcards.corpus in SPOKEN else corpus.root


@readable
def corpus_files(wildcards):
    """What a manifest is built from: every file of a tree that exists, or the handle of one that is made here."""
    corpus = corpus_of(wildcards)
    if wildcards.corpus in DOWNLOADED + SPOKEN:
        return f"results/{wildcards.corpus}/audio.json"
    if corpus.kind == "latents":
        from latentdyn.corpus.latents_index import (
            latents_recordings,
        )  # numpy, only where it is needed

        files = [Path(corpus.index).parent / recording.path for recording in latents_recordings(Path(corpus.index))]
        return [
            Path(corpus.index),
            *(file for file in files if file.is_file()),
        ]  # a missing one is set aside
    root = Path(corpus.root)
    if corpus.kind == "librispeech":
        return [root / "SPEAKERS.TXT", *librispeech_files(root, corpus.subset)]
    return folder_files(root)


def encoder_files(wildcards):
    """The weights of a local encoder, so that other weights encode again. A hub id is pinned by its revision."""
    settings = representation_of(wildcards)
    folder = Path(getattr(settings, "folder", None) or getattr(settings, "checkpoint", ""))
    return sorted(f for f in folder.iterdir() if f.is_file()) if folder.name and folder.is_dir() else []


def source_of(wildcards):
    """The latents that a derived representation is made of."""
    return f"results/{wildcards.corpus}/{representation_of(wildcards).source}/latents.json"


def evaluations(wildcards):
    """The folder of each evaluation that a table's rows are measured with."""
    return [f"results/{wildcards.corpus}/{r}/{p}/seed{s}" for r, p, s in CONFIG.predictions(table_of(wildcards))]


def clusterings(wildcards):
    """The metrics of each clustering that a table's rows are measured with."""
    return [f"results/{wildcards.corpus}/{r}/{key}/clusters.json" for r, key in CONFIG.clusterings(table_of(wildcards))]


def rollouts(wildcards):
    """The metrics of each forecast or free run that a table's rows are measured with."""
    table = table_of(wildcards)
    file = "free_runs" if table.kind == "free_runs" else "injection"
    if table.kind == "score_correction":
        file = f"corrected_{table.correction}"
    return [f"results/{wildcards.corpus}/{r}/{p}/seed{s}/{file}.json" for r, p, s in CONFIG.rollouts(table)]


def injection_speakers(wildcards):
    """The sums by speaker of each of those forecasts."""
    forecasts = [Path(path) for path in rollouts(wildcards) if table_of(wildcards).kind != "free_runs"]
    return [path.with_name(f"{path.stem}_speakers.parquet") for path in forecasts]


def identities(wildcards):
    """What each of a table's evaluations, rollouts and clusterings was measured on, in their order."""
    table = table_of(wildcards)
    predictions = [*CONFIG.predictions(table), *CONFIG.rollouts(table)]
    who = [(r, p, CONFIG.all_predictors[p].regime, s) for r, p, s in predictions]
    who += [(r, key, "clustered", 0) for r, key in CONFIG.clusterings(table)]
    names = ("representation", "predictor", "regime", "seed")
    return [canonical_json({"corpus": wildcards.corpus, **dict(zip(names, values))}) for values in who]


def about(wildcards):
    """What a table must know beyond its own entry: its rows, what they are, and the processes with exact answers."""
    table = table_of(wildcards)
    rows = CONFIG.rows(table)
    # no published value is of these; and those of Phase 0 are of the encoder's own frame rate
    altered = (Surrogate, Outliers, Pooled) if table.kind == "clustering" else (Surrogate, Outliers)
    facts = {
        "corpus": wildcards.corpus,
        "bootstrap_resamples": CONFIG.evaluation.bootstrap_resamples,
        "rows": rows,
        "kinds": {
            "representations": {
                r: CONFIG.root_representation(r).kind
                for r in rows
                if not any(isinstance(step, altered) for step in CONFIG.derivation(r))
            },
            "predictors": {
                p: CONFIG.all_predictors[p].kind for _, p, _ in [*CONFIG.predictions(table), *CONFIG.rollouts(table)]
            },
            "keys": {key: CONFIG.keys[key].kind for _, key in CONFIG.clusterings(table)},
        },
    }
    if table.kind == "regimes":
        trained = {p: getattr(CONFIG.predictors[p], "training", None) for p in table.predictors}
        facts["steps"] = {p: training.steps for p, training in trained.items() if training}
    if table.kind == "score_correction":
        facts["sampling"] = CONFIG.corrections[table.correction].sampling()
    if table.kind == "calibration":
        facts["processes"] = {name: CONFIG.representations[name].model_dump(mode="json") for name in rows}
    return canonical_json(facts)


def reporting_modules(wildcards, module):
    """The modules that a table's kind picks by name."""
    table = table_of(wildcards)
    if table.kind != "calibration":
        return [module(table.kind)]
    kinds = {CONFIG.root_representation(name).kind for name in CONFIG.rows(table)}
    return [module(table.kind), *(process_module(kind) for kind in sorted(kinds))]
