# Shared by the other files: the validated config, look-ups by name, digests of code.
import shlex
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

# the package of this checkout, here and in every job, whether or not it is installed
_SOURCE = str(Path(workflow.basedir) / "src")
sys.path.insert(0, _SOURCE)
shell.prefix("export PYTHONPATH=" + shlex.quote(_SOURCE) + "${{PYTHONPATH:+:$PYTHONPATH}}; ")

from latentdyn.config import Pooled, Provided, load_config
from latentdyn.corpus.folder import folder_files
from latentdyn.corpus.librispeech import librispeech_files
from latentdyn.errors import UserError
from latentdyn.files import canonical_json
from latentdyn.predictors.naming import predictor_module
from latentdyn.provenance import code_digest

try:
    CONFIG = load_config(config)
except UserError as error:
    raise WorkflowError(str(error)) from None


def one_of(names):
    return "|".join(names) or "none^"  # a wildcard that nothing matches


_KINDS = {name: representation.kind for name, representation in CONFIG.representations.items()}
PROVIDED = [name for name, r in CONFIG.representations.items() if isinstance(r, Provided)]
POOLED = [name for name, r in CONFIG.representations.items() if isinstance(r, Pooled)]
ENCODED = [name for name in CONFIG.representations if name not in PROVIDED + POOLED]

DOWNLOADED = [n for n, c in CONFIG.corpora.items() if c.kind == "librispeech" and c.url]
SPOKEN = [n for n, c in CONFIG.corpora.items() if c.kind == "demo"]


wildcard_constraints:
    corpus=one_of(CONFIG.corpora),
    representation=one_of(CONFIG.representations),
    predictor=one_of(CONFIG.predictors),
    table=one_of(CONFIG.tables),
    seed=r"\d+",
    part=r"\d+",
    n_parts=r"\d+",


def corpus_of(wildcards):
    return CONFIG.corpora[wildcards.corpus]


def representation_of(wildcards):
    return CONFIG.representations[wildcards.representation]


def predictor_of(wildcards):
    return CONFIG.predictors[wildcards.predictor]


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


def measured(corpus):
    """What the tables of a corpus ask for: (representation, predictor, seed), sorted."""
    return sorted(
        {
            (representation, predictor, seed)
            for table in CONFIG.tables.values()
            if corpus in table.corpora
            for representation in table.representations
            for predictor in table.predictors
            for seed in (table.seeds[:1] if CONFIG.predictors[predictor].closed_form else table.seeds)
        }
    )


def table_kinds(wildcards):
    """The kind of each predictor of a table and of the encoder behind each representation."""
    table = table_of(wildcards)
    return {
        **{name: CONFIG.root_representation(name).kind for name in table.representations},
        **{name: CONFIG.predictors[name].kind for name in table.predictors},
    }
