# Shared by the other files: the validated config, look-ups by name, digests of code.
import atexit
import gc
import os
import shlex
import sys
import time
from itertools import takewhile
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

# A plan's objects live as long as Snakemake. To look for garbage among them again and again took a sixth of planning.
gc.set_threshold(100_000, 50, 100)
# At the end Python would look through all of them once more, and then give all its memory back anyway.
atexit.register(gc.freeze)

# the package of this checkout, here and in every job, whether or not it is installed
_SOURCE = str(Path(workflow.basedir) / "src")
sys.path.insert(0, _SOURCE)
from latentdyn import forkserver
from latentdyn.provenance import jobs

_ENVIRONMENT = [
    f"export PYTHONPATH={shlex.quote(_SOURCE)}${{PYTHONPATH:+:$PYTHONPATH}}; ",
    f"export {jobs.VARIABLE}={jobs.FOLDER}; ",
]


def add_to_environment(code):
    """Shell code that each job runs first, from now on."""
    _ENVIRONMENT.append(code)
    shell.prefix("".join(_ENVIRONMENT).replace("{", "{{").replace("}", "}}"))


add_to_environment(forkserver.shell_function())

from latentdyn.config import check_command_line, check_files, load_config
from latentdyn.config.files import shown
from latentdyn.config.representations import Derived, Encoder, Process, Provided
from latentdyn.config.kinds import kinds_of, word_of
from latentdyn.config.representations.learned import LearnedRepresentation
from latentdyn.errors import UserError
from latentdyn.files import canonical_json, check_place
from latentdyn.families import MODELS
from latentdyn import provenance
from latentdyn.provenance.listing import known_digests, update_listing
from latentdyn.provenance.logs import warnings_since
from latentdyn.provenance.presence import Presence

try:
    check_command_line(sys.argv)
    check_files(workflow.configfiles)
    CONFIG = load_config(config, workflow.configfiles, workflow.config_settings.config)
    for folder in (jobs.FOLDER, *(Path("results", corpus) for corpus in CONFIG.corpora)):
        check_place(folder)
except UserError as error:
    raise WorkflowError(str(error)) from None


if CONFIG.compute.require_gpu:
    add_to_environment("export LATENTDYN_REQUIRE_GPU=1; ")
add_to_environment(f"export LATENTDYN_JOBS_PER_GPU={CONFIG.compute.jobs_per_gpu}; ")


ENTRIES = {}  # of each digest of code, what it is of


def code_digest(*entries, presentation=False):
    digest = provenance.code_digest(*entries, presentation=presentation)
    ENTRIES[digest] = entries, presentation
    return digest


def keep_plan():
    """Keep what the jobs of this run are of, for results/manifest.jsonl and `latentdyn why`."""
    jobs.collect()  # of a run that was killed
    planned = {}
    for job in workflow.dag.needrun_jobs():
        if job.shellcmd:
            planned[job.shellcmd] = jobs.planned_job(
                job.rule.name, job.wildcards_dict, job.input, job.output, dict(job.params.items())
            )
    own = str(Path(workflow.basedir) / "config/config.yaml")
    files = [shown(file) for file in map(str, workflow.configfiles) if file != own]  # they hold if the folder moves
    jobs.write_plan(planned, {"configfiles": files, "config": dict(workflow.config_settings.config)})
    for digest in {job.code.partition("-")[0] for job in planned.values()} & ENTRIES.keys():
        jobs.keep_code(digest, *ENTRIES[digest])


FEW_JOBS = 3  # of tables, mostly; they load their libraries sooner by themselves
SERVERS = []  # which end with this process


def share_libraries():
    """Have the jobs that this process starts copied from one Python, and tell each other which latents they have
    verified (stores/verified.py), unless a server is at hand already."""
    if forkserver.VARIABLE not in os.environ and forkserver.supported():
        try:
            signals = any(isinstance(r, Process) or r.kind == "leaky" for r in CONFIG.all_representations.values())
            more = forkserver.OF_SIGNALS if signals else ()
            SERVERS.append(forkserver.ForkServer((*forkserver.LIBRARIES, *more)))
        except OSError as error:
            logger.info(f"Jobs load their libraries one by one: a server of them can't be started ({error})")
            return
        os.environ.update(SERVERS[0].environment())


def jobs_of_this_allocation():
    """How many jobs a remote Snakemake runs, by its command line: its settings say so only later."""
    following = sys.argv[sys.argv.index("--target-jobs") + 1 :] if "--target-jobs" in sys.argv else []
    return len(list(takewhile(lambda word: not word.startswith("--"), following)))


if workflow.remote_exec and jobs_of_this_allocation() > 1:  # a group
    share_libraries()


def one_of(names):
    return "|".join(names) or "none^"  # a wildcard that nothing matches


def of_family(family):
    """The representations of a family of kinds, surrogates that tables ask for included."""
    return [name for name, r in CONFIG.all_representations.items() if isinstance(r, family)]


def learned_by(kind):
    """The representations that a model of this kind makes."""
    return [name for name in of_family(LearnedRepresentation) if CONFIG.all_representations[name].kind == kind]


def corpora_by(rule):
    """The corpora whose audio, or whose manifest, a rule makes."""
    return [name for name, corpus in CONFIG.corpora.items() if rule in (corpus.audio_by, corpus.manifest_by)]


wildcard_constraints:
    corpus=one_of(CONFIG.corpora),
    representation=one_of(CONFIG.all_representations),
    predictor=one_of(CONFIG.all_predictors),
    key=one_of(CONFIG.keys),
    correction=one_of(CONFIG.corrections),
    fitted_on=one_of(CONFIG.corpora),
    reference=one_of(CONFIG.all_representations),
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
    return predictor_of(wildcards).threads


def start_of(wildcards):
    """The checkpoint that a predictor is trained on from, if it is."""
    name = predictor_of(wildcards).start
    return [] if name is None else checkpoint(wildcards, name, "predictor")


def checkpoint(wildcards, name, kind, corpus=None):
    """The handle of a fitted model of this name and kind, of the same representation and seed, fitted to the same corpus
    unless another one is named."""
    corpus = corpus or wildcards.corpus
    return f"results/{corpus}/{wildcards.representation}/{name}/seed{wildcards.seed}/{kind}.json"


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
    return corpus_of(wildcards).location(f"results/{wildcards.corpus}/audio")


def listed(name, files, known=None):
    """The listing of files that the user provides: what rules that read them have as their input."""
    listing = f"results/.state/listings/{name}.json"
    is_new = not Path(listing).exists()
    if workflow.is_main_process and (changed := update_listing(Path(listing), files, known)) and not is_new:
        logger.info(
            f"{name}: files that you provide are new, gone or changed: {len(changed)}, the first {changed[0]!r}"
        )
    return listing


@readable
def corpus_files(wildcards):
    """What a manifest is built from: the listing of a tree that exists, or the handle of one that is made here."""
    corpus, made = corpus_of(wildcards), f"results/{wildcards.corpus}"
    if corpus.audio_by:
        return f"{made}/audio.json"
    root = Path(corpus_root(wildcards))
    return listed(wildcards.corpus, corpus.files(), lambda: known_digests(Path(f"{made}/manifest.parquet"), root))


def parts_of_manifest(ending):
    """The files of this ending that all parts of a corpus's manifest have."""

    def files(wildcards):
        n_parts = corpus_of(wildcards).manifest_parts
        return [
            f"results/{wildcards.corpus}/manifest_parts/{part}of{n_parts}{ending}.parquet" for part in range(n_parts)
        ]

    return files


@readable
def encoder_files(wildcards):
    """The listing of a local encoder's weights, so that other weights encode again."""
    return weights_of(wildcards.representation)


def weights_of(name):
    """The listing of the weights of a local codec."""
    files = CONFIG.all_representations[name].weights()
    return listed(f"weights/{name}", files) if files else []


def presence(wildcards, **job):
    """A param of every rule that reads what another makes. Of keywords, since Snakemake's records leave out a param whose
    function names `input`."""
    return Presence(job["input"])


def source_of(wildcards):
    """The latents that a derived representation is made of."""
    return f"results/{wildcards.corpus}/{representation_of(wildcards).source}/latents.json"


def learned_model_of(wildcards):
    """The model that a learned representation applies to its source."""
    own, folder = representation_of(wildcards), f"results/{wildcards.corpus}/{wildcards.representation}"
    return f"{folder}/{own.kind}.json" if isinstance(own, LearnedRepresentation) else []


def listened_through(wildcards):
    """The codec whose decoder a model's objective listens through, if it does."""
    own = representation_of(wildcards)
    return [CONFIG.all_representations[own.source]] if own.listens else []


def plan_of(wildcards):
    """What a table's view must know beyond the table's own section."""
    return canonical_json(table_of(wildcards).plan(CONFIG, wildcards.corpus))


STARTED = time.time()


def tell_warnings():
    """What steps of this run have warned of, in logs that nobody opens otherwise."""
    for warning in warnings_since(Path("results"), STARTED):
        logger.warning(f"Warning in {warning}")


onsuccess:
    if workflow.is_main_process:
        jobs.collect()
        tell_warnings()


onerror:
    if workflow.is_main_process:
        jobs.collect()
    tell_warnings()
    logger.info("What is finished is kept. Run the same command again to go on from there.")


onstart:
    # Snakemake keeps in memory what params were when it planned. What was gone then exists once its job has run, and that is
    # what belongs into the record. Without this line, a job would run once more than it must.
    if clear := getattr(getattr(workflow.persistence, "_params", None), "cache_clear", None):
        clear()
    # Snakemake may start a hundred jobs a second. To keep to that, it chooses again a second after each choice, and each job
    # that ends begins one more such chain. After some hundred jobs it does nothing else: 1.7 CPU seconds a job.
    limit = getattr(workflow.scheduler, "job_rate_limiter", None)
    if limit is not None and (limit.max_jobs, limit.timespan) == (100, 1):  # nobody has asked for another
        workflow.scheduler.job_rate_limiter = None
    if workflow.is_main_process:
        keep_plan()
        if workflow.local_exec and sum(1 for job in workflow.dag.needrun_jobs() if job.shellcmd) > FEW_JOBS:
            share_libraries()
    trains = any(job.rule.name.startswith("train_") for job in workflow.dag.needrun_jobs())
    if trains and sys.stderr and sys.stderr.isatty():  # it is None if it was closed
        logger.info(
            "How far a training is, and the time it has left: tail -qFn1 results/*/*/*/seed*/logs/train_*.log"
        )
