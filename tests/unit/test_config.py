"""What the configuration accepts, what it refuses and how it says so, and that its documents say the same."""

import copy
import datetime
import json
import math
import re
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import pytest
import yaml
from pydantic import BaseModel, Field, PositiveFloat, PositiveInt, TypeAdapter
from snakemake.utils import update_config

from latentdyn.config import Config, json_schema, load_config
from latentdyn.config.documentation import all_models, keys_of, type_in_words, with_tables
from latentdyn.config.kinds import kinds_of
from latentdyn.config.networks import MLPNetwork
from latentdyn.config.representations import Process
from latentdyn.config.values import Fraction, Name, Names, Split
from latentdyn.errors import UserError
from latentdyn.metrics import LAGGED_COLUMNS

FOLDER = Path(__file__).parents[2] / "config"
OVERLAYS = sorted(path.stem for path in FOLDER.glob("*.yaml") if path.stem != "config")

SMALL: dict[str, Any] = {
    "schema_version": 1,
    "corpora": {"speech": {"kind": "folder", "root": "audio"}, "mine": {"kind": "latents", "index": "a.csv",
                                                                       "frame_rate_hz": 12.5},
                "known": {"kind": "synthetic"}},
    "representations": {"logmel": {"kind": "logmel"}, "given": {"kind": "provided"},
                        "slow": {"kind": "pooled", "source": "logmel", "frame_rate_hz": 6.25},
                        "var": {"kind": "var"}, "spiky": {"kind": "outliers", "source": "var"},
                        "blurred": {"kind": "pooled", "source": "var", "frame_rate_hz": 6.25}},
    "predictors": {"line": {"kind": "linear_gaussian"}, "net": {"kind": "mdn"}},
    "keys": {"pool": {"kind": "mean_pool"}, "axes": {"kind": "pca"}},
    "tables": {"t": {"kind": "lagged", "corpora": ["speech"], "representations": ["logmel", "slow"],
                     "predictors": ["line", "net"]},
               "phase0": {"kind": "clustering", "corpora": ["speech"], "representations": ["slow"],
                          "surrogates": ["shuffled", "white"], "keys": ["pool", "axes"], "predictors": ["line"]},
               "exact": {"kind": "calibration", "corpora": ["known"], "predictors": {"spiky": "line", "var": "line"},
                         "keys": {"var": ["pool"]}}},
}  # fmt: skip


FORECAST = {"corpora": ["speech"], "representations": ["logmel"], "predictors": ["line", "net"]}
ARMS = {"kind": "regimes", "against": "line", **FORECAST}
GATED = {"kind": "gates", **FORECAST}
CORRECTED = {"kind": "score_correction", "corpora": ["speech"], "representations": ["logmel"], "predictors": ["line"],
             "correction": "c"}  # fmt: skip


PAIRED = {"kind": "paired", "corpora": ["speech"], "representations": ["logmel"], "predictors": ["line"]}
ARM = {"kind": "mdn", "starts_from": "net", "horizons": [1]}


def edited(path: str, value: Any) -> dict[str, Any]:
    """SMALL with the value at a dotted path set, or removed if it is `...`."""
    values: Any = copy.deepcopy(SMALL)
    *folders, key = path.split(".")
    place = values
    for name in folders:
        place = place.setdefault(name, {})
    if value is ...:
        del place[key]
    else:
        place[key] = value
    return values


class OnceEach(yaml.SafeLoader):
    """Refuses a mapping that names a key twice. YAML would silently keep the last one."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        names = [key.value for key, _ in node.value]
        assert len(set(names)) == len(names), f"a key stands twice among {names}"
        return super().construct_mapping(node, deep)


def refusal(values: dict[str, Any]) -> str:
    with pytest.raises(UserError) as caught:
        load_config(values)
    return caught.value.what


def read(name: str) -> dict[str, Any]:
    return yaml.safe_load((FOLDER / f"{name}.yaml").read_text())


def merged(*names: str) -> Config:
    """Files as a run sees them: on top of config.yaml, merged by Snakemake itself."""
    values = read("config")
    for name in names:
        update_config(values, read(name))
    return load_config(values)


# ----------------------------------------------------------------------------------------- the files we ship


@pytest.mark.parametrize("name", ["config", *OVERLAYS])
def test_a_shipped_file_is_valid(name: str):
    assert merged(name).tables


@pytest.mark.parametrize("name", ["config", *OVERLAYS])
def test_a_shipped_file_names_each_key_once(name: str):
    assert yaml.load((FOLDER / f"{name}.yaml").read_text(), OnceEach) == read(name)


@pytest.mark.parametrize("name", OVERLAYS)
def test_an_entry_of_a_shipped_file_is_what_the_file_says(name: str):
    base, overlay = read("config"), read(name)
    for section in overlay.keys() - {"schema_version"}:
        base[section] = base.get(section, {}) | overlay[section]  # whole entries, where Snakemake merges keys
    assert load_config(base) == merged(name), "a key of the demo shines through"


@pytest.mark.parametrize("name", sorted({*OVERLAYS} - {"calibration"}))
def test_a_shipped_file_runs_without_the_demo(name: str):
    config = merged(name)
    assert {corpus for table in config.tables.values() for corpus in table.corpora} == set(read(name)["corpora"])


@pytest.mark.parametrize("name", sorted({"config", *OVERLAYS} - {"calibration"}))
def test_the_calibration_goes_beside_every_other_file(name: str):
    alone, both = merged(name), merged(name, "calibration")
    for section in ("corpora", "representations", "predictors", "keys", "corrections", "tables"):
        entries, of_calibration = getattr(both, section), read("calibration").get(section, {})
        assert entries.keys() == getattr(alone, section).keys() | of_calibration
        assert {key: entries[key] for key in getattr(alone, section)} == getattr(alone, section)
    assert (both.evaluation, both.clustering) == (alone.evaluation, alone.clustering)


def test_the_calibration_covers_every_kind_of_process():
    config = merged("calibration")
    measured = {config.representations[name].kind for name in config.tables["calibration"].rows(config)}
    assert measured == {get_args(kind.model_fields["kind"].annotation)[0] for kind in kinds_of(Process)} | {"outliers"}


def test_the_paper_is_configured_as_it_was_published():
    config = merged("librispeech100")
    mdn = config.predictors["mdn"].model_dump()
    training = mdn.pop("training")
    # seed 001, Appendix B
    assert (mdn["window_frames"], mdn["horizons"], mdn["n_components"]) == (8, [1, 2, 4, 8], 8)
    assert (mdn["components"], mdn["target_axes"]) == ("gaussian", "natural")
    assert mdn["network"] == {"kind": "mlp", "layers": 2, "width": 1024, "dropout": 0}
    assert (mdn["context_normalisation"], mdn["context_clip"]) == ("standard", None)
    assert (training["steps"], training["batch_size"]) == (25_000, 256)
    assert (training["learning_rate"], training["weight_decay"], training["gradient_clip_norm"]) == (1e-3, 1e-4, 1)
    assert config.tables["phase1_lagged"].seeds == [0, 1, 2]


def test_encoders_are_pinned_and_their_rates_match():
    representations = merged("librispeech100").representations
    for name in ("mimi", "encodec"):
        assert re.fullmatch(r"[0-9a-f]{40}", representations[name].revision)
    assert representations["encodec_12hz"].frame_rate_hz == 24_000 / 1920  # Mimi's, and 75 Hz / 6


# ------------------------------------------------------------------------------------------ what is accepted


def test_defaults_fill_in():
    config = load_config(SMALL)
    assert config.tables["t"].columns == [name for name, default in LAGGED_COLUMNS.items() if default]
    assert config.predictors["net"].training.steps == 25_000
    assert config.predictors["net"].network == MLPNetwork(kind="mlp")
    assert config.corpora["speech"].splits.eval == 0.2


def test_horizons_are_sorted():
    assert load_config(edited("tables.t.horizons", [4, 1])).tables["t"].horizons == [1, 4]


def test_a_section_as_canonical_json_is_the_same_however_it_is_written():
    brief = load_config(SMALL).predictors["line"]
    full = load_config(edited("predictors.line", dict(reversed(brief.model_dump().items())))).predictors["line"]
    assert brief.canonical() == full.canonical()
    assert json.loads(brief.canonical())["ridges"] == [1e-4, 1e-3, 1e-2, 0.1, 1.0]


def test_a_chain_of_derived_representations_is_followed_to_its_encoder():
    config = load_config(edited("representations.loud", {"kind": "outliers", "source": "slow"}))
    assert config.root("loud") == config.representations["logmel"]
    assert config.root("slow__white") == config.representations["logmel"]


def test_a_local_checkpoint_needs_no_revision(tmp_path: Path):
    assert load_config(edited("representations.mimi", {"kind": "mimi", "checkpoint": str(tmp_path)}))


# ------------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("predictors.net.dropuot", 0.1, r"predictors\.net\.dropuot: unknown key"),
        ("tabels", {}, r"tabels: unknown key"),
        ("predictors.net.training.learning_rate", "1e-3", r"predictors\.net\.training\.learning_rate: .*number"),
        ("predictors.net.window_frames", 8.5, r"predictors\.net\.window_frames: .*integer"),
        ("predictors.net.window_frames", True, r"predictors\.net\.window_frames: .*integer"),
        ("predictors.net.window_frames", 0, r"predictors\.net\.window_frames: .*greater than 0"),
        ("predictors.net.hidden_width", 64, r"predictors\.net\.hidden_width: unknown key"),
        ("predictors.line.network", {"kind": "mlp"}, r"predictors\.line\.network: unknown key"),
        ("predictors.net.network", {"kind": "mlp", "widht": 64}, r"predictors\.net\.network\.widht: unknown key"),
        ("predictors.net.network", {"kind": "mlp", "dropout": 1.0}, r"predictors\.net\.network\.dropout: .*than 1"),
        ("predictors.net.network", {"kind": "linear", "width": 64}, r"predictors\.net\.network\.width: unknown key"),
        ("predictors.net.network", {"kind": "lstm"}, r"predictors\.net\.network: .*'lstm'.*'transformer'"),
        ("predictors.net.network", {"width": 64}, r"predictors\.net\.network: .*kind"),
        (
            "predictors.net.network",
            {"kind": "transformer", "width": 10, "heads": 4},
            r"predictors\.net\.network: width must be a multiple of heads",
        ),
        ("predictors.net.context_normalisation", "z", r"predictors\.net\.context_normalisation: .*'deltas'"),
        ("predictors.net.context_clip", 0.0, r"predictors\.net\.context_clip: .*greater than 0"),
        ("predictors.net.components", "laplace", r"predictors\.net\.components: .*'student_t'"),
        ("predictors.net.log_sigma_min", 3.0, r"predictors\.net: log_sigma_min must be below log_sigma_max"),
        ("predictors.v", {"kind": "vmf_lognormal", "mu_logm_max": -5.0}, r"predictors\.v: mu_logm_min must be below"),
        ("predictors.v", {"kind": "vmf_lognormal", "log_sigma_min": 1.0}, r"predictors\.v: log_sigma_min must be"),
        ("predictors.v", {"kind": "vmf_lognormal", "log_kappa_min": 12.0}, r"predictors\.v: log_kappa_min must be"),
        ("predictors.f", {"kind": "flow", "transforms": 0}, r"predictors\.f\.transforms: .*greater than 0"),
        ("predictors.a", {"kind": "ar1", "ridges": [1.0]}, r"predictors\.a\.ridges: unknown key"),
        ("predictors.g", {"kind": "gaussian", "mean": "one"}, r"predictors\.g\.mean: .*'fitted' or 'zero'"),
        ("predictors.net__unconditional", {"kind": "mdn"}, r"predictors\.net__unconditional: .*pattern"),
        ("predictors.net.kind", "lstm", r"predictors\.net: .*'lstm'.*'mdn'"),
        ("predictors.net.kind", ..., r"predictors\.net: .*kind"),
        ("predictors.Net", {"kind": "mdn"}, r"predictors.*Net.*pattern"),
        ("predictors.line.ridges", [], r"predictors\.line\.ridges: .*at least 1"),
        ("corpora.speech.root", ..., r"corpora\.speech\.root: Field required"),
        ("corpora.speech.splits", {"validation": 0.5, "eval": 0.5}, r"corpora\.speech\.splits: .*training"),
        ("corpora.libri", {"kind": "librispeech"}, r"corpora\.libri: give either root .* or url"),
        ("corpora.libri", {"kind": "librispeech", "url": "https://a.b/c"}, r"url and checksum go together"),
        (
            "corpora.libri",
            {"kind": "librispeech", "root": "x", "url": "https://a.b/c", "checksum": f"md5:{'0' * 32}"},
            r"not both",
        ),
        (
            "corpora.libri",
            {"kind": "librispeech", "url": "https://a.b/c", "checksum": f"md5:{'0' * 31}"},
            r"corpora\.libri\.checksum: .*pattern",
        ),
        (
            "corpora.libri",
            {"kind": "librispeech", "url": "file:///etc/passwd", "checksum": f"md5:{'0' * 32}"},
            r"corpora\.libri\.url: .*pattern",
        ),
        ("corpora.libri", {"kind": "librispeech", "root": "x", "subset": "../x"}, r"corpora\.libri\.subset: .*pattern"),
        ("corpora.demo", {"kind": "demo", "n_speakers": 49}, r"corpora\.demo\.n_speakers: .*48"),
        ("representations.mimi", {"kind": "mimi"}, r"representations\.mimi\.revision: pin the commit of 'kyutai/mimi'"),
        ("representations.slow.source", "mel", r"representations\.slow\.source: no representation is named 'mel'"),
        ("representations.slow.source", "slow", r"goes round in a circle \(slow\)"),
        (
            "representations.logmel",
            {"kind": "pooled", "source": "slow", "frame_rate_hz": 1.0},
            r"goes round in a circle \((logmel -> slow|slow -> logmel)\)",
        ),
        (
            "representations.var",
            {"kind": "surrogate", "source": "spiky", "method": "white"},
            r"representations\.var\.source: goes round in a circle \(var -> spiky\)",
        ),
        (
            "representations.rev",
            {"kind": "surrogate", "source": "mel", "method": "white"},
            r"representations\.rev\.source: no representation is named 'mel'",
        ),
        (
            "representations.rev",
            {"kind": "surrogate", "source": "logmel", "method": "reversed"},
            r"representations\.rev\.method: .*'time_reversed'",
        ),
        ("representations.spiky.source", "vra", r"representations\.spiky\.source: no representation is named 'vra'"),
        ("representations.spiky.share", 1.0, r"representations\.spiky\.share: .*less than 1"),
        ("representations.spiky.splits", ["eval", "eval"], r"representations\.spiky\.splits: lists the same entry"),
        ("representations.logmel__white", {"kind": "logmel"}, r"representations\.logmel__white: .*pattern"),
        ("representations.var.radius", -0.1, r"representations\.var\.radius: .*greater than or equal to 0"),
        ("representations.s", {"kind": "switching", "radius": 1.0}, r"representations\.s\.radius: .*less than 1"),
        ("representations.p", {"kind": "prototypes", "n_prototypes": 1}, r"representations\.p\.n_prototypes: "),
        ("representations.v", {"kind": "vmf_steps", "sigma": 0.0}, r"representations\.v\.sigma: .*greater than 0"),
        ("corpora.known.n_speakers", 2, r"corpora\.known\.n_speakers: .*greater than or equal to 3"),
        ("corpora.known.audio", {}, r"corpora\.known\.audio: unknown key"),
        ("keys.axes.dim", 3, r"keys\.axes\.dim: unknown key"),
        ("keys.pool.dims", 3, r"keys\.pool\.dims: unknown key"),
        ("keys.bins", {"kind": "pca_bins", "dims": 7}, r"keys\.bins\.dims: .*less than or equal to 6"),
        ("keys.best", {"kind": "learned", "ridges": [0.0]}, r"keys\.best\.ridges\.0: .*greater than 0"),
        ("clustering.cluster_counts", [64, 64], r"clustering\.cluster_counts: lists the same entry twice"),
        ("clustering.permutations", 1, r"clustering\.permutations: .*greater than or equal to 2"),
        ("evaluation.principal_dims", [8, 0], r"evaluation\.principal_dims\.1: .*greater than 0"),
        ("tables", {}, r"tables: .*at least 1"),
        ("tables.t.predictors", ["lines"], r"tables\.t\.predictors: 'lines' is not defined \(defined: line, net\)"),
        ("tables.t.corpora", [], r"tables\.t\.corpora: .*at least 1"),
        ("tables.t.seeds", [0, 0], r"tables\.t\.seeds: lists the same entry twice"),
        ("tables.t.seeds", [-1], r"tables\.t\.seeds\.0: .*greater than or equal to 0"),
        ("tables.t.splits", ["test"], r"tables\.t\.splits\.0: .*'train', 'validation' or 'eval'"),
        ("tables.t.columns", ["k", "loss"], r"tables\.t\.columns\.1: "),
        ("tables.t.horizons", [1, 3], r"tables\.t\.horizons: predictor 'line' is not trained at k = \[3\]"),
        ("tables.t.representations", ["given"], r"corpus 'speech' \(kind folder\) cannot give representation 'given'"),
        ("tables.t.corpora", ["mine"], r"corpus 'mine' \(kind latents\) cannot give representation 'logmel'"),
        (
            "tables.t.representations",
            ["var"],
            r"corpus 'speech' \(kind folder\) cannot give representation '(var|spiky)'",
        ),
        ("tables.t.representations", ["blurred"], r"corpus 'speech' .* cannot give representation 'blurred'"),
        ("tables.t.corpora", ["known"], r"corpus 'known' \(kind synthetic\) cannot give representation 'logmel'"),
        ("tables.t.predictors", ["net__unconditional"], r"tables\.t\.predictors\.0: .*pattern"),
        ("tables.t.surrogates", ["reversed"], r"tables\.t\.surrogates\.0: .*'time_reversed'"),
        ("tables.t.metrics", ["dnll"], r"tables\.t\.metrics: unknown key"),
        (
            "predictors.line.window_frames",
            4,
            r"tables\.t: predictor 'line' and predictor 'net' differ in window_frames",
        ),
        ("predictors.line.horizons", [1, 2, 4, 16], r"tables\.t: .* would be measured on different frames"),
        ("clustering.window_frames", 4, r"tables\.phase0: predictor 'line' and clustering differ in window_frames"),
        ("clustering.longest_horizon", 16, r"tables\.phase0: predictor 'line' and clustering differ in .* longest"),
        ("tables.phase0.keys", ["pol"], r"tables\.phase0\.keys: 'pol' is not defined \(defined: axes, pool\)"),
        ("tables.exact.predictors", {"var": "lines"}, r"tables\.exact\.predictors: 'lines' is not defined"),
        ("tables.exact.keys", {"var": ["pol"]}, r"tables\.exact\.keys: 'pol' is not defined"),
        ("tables.exact.predictors", {"vra": "line"}, r"tables\.exact\.predictors\.vra: no repr.* named 'vra'"),
        ("tables.exact.predictors", {"logmel": "line"}, r"tables\.exact\.predictors\.logmel: not a process"),
        ("tables.exact.predictors", {"blurred": "line"}, r"tables\.exact\.predictors\.blurred: not a process whose"),
        ("tables.exact.keys", {"blurred": ["pool"]}, r"tables\.exact\.keys\.blurred: not a process whose exact"),
        (
            "tables.exact.corpora",
            ["speech"],
            r"tables\.exact: corpus 'speech' .* cannot give representation '(var|spiky)'",
        ),
        ("keys.line", {"kind": "pca"}, r"keys\.line: a predictor has this name too"),
        ("representations.steps", {"kind": "vmf_steps", "dim": 1}, r"representations\.steps\.dim: .*equal to 2"),
        ("injection", {"steps": 8}, r"injection: injected_steps_b must be at most steps"),
        ("free_runs", {"steps": 100}, r"free_runs: at_steps must be at most steps"),
        (
            "tables.forecasts",
            {
                "kind": "injection",
                "corpora": ["speech"],
                "representations": ["logmel"],
                "predictors": ["line"],
                "splits": ["validation"],
            },
            r"tables\.forecasts\.splits: validation not among injection\.splits",
        ),
        (
            "tables.runs",
            {
                "kind": "free_runs",
                "corpora": ["speech"],
                "representations": ["logmel"],
                "predictors": ["line"],
                "splits": ["train"],
            },
            r"tables\.runs\.splits: train not among free_runs\.split",
        ),
        ("tables.arms", ARMS | {"against": "mdn"}, r"tables\.arms\.against: 'mdn' is not among predictors"),
        ("tables.arms", ARMS | {"predictors": ["line"]}, r"tables\.arms\.against: 'line' is the only predictor"),
        ("tables.arms", FORECAST | {"kind": "regimes"}, r"tables\.arms\.against: Field required"),
        ("tables.arms", ARMS | {"predictors": ["line", "mdn"]}, r"tables\.arms\.predictors: 'mdn' is not defined"),
        ("tables.arms", ARMS | {"splits": ["validation"]}, r"tables\.arms\.splits: validation not among injection"),
        ("tables.gated", GATED | {"reference": "slow"}, r"tables\.gated\.reference: 'slow' is not among repr"),
        ("tables.gated", GATED | {"splits": ["validation"]}, r"tables\.gated\.splits: validation not among inj"),
        ("tables.gated", GATED | {"thresholds": [1]}, r"tables\.gated\.thresholds: unknown key"),
        ("corrections.c", {"sigmas": [0.01]}, r"corrections\.c: sigmas must lie from .*, unlike 0\.01"),
        ("corrections.c", {"sigmas": [0.5, 2.0]}, r"corrections\.c: sigmas must lie from .*, unlike 2\.0"),
        ("corrections.c", {"sigma_min": 1.0}, r"corrections\.c: sigma_min must be below sigma_max"),
        ("corrections.c", {"n_steps": [0]}, r"corrections\.c\.n_steps\.0: .*greater than 0"),
        ("corrections.c", {"step_size": 0.0}, r"corrections\.c\.step_size: .*greater than 0"),
        ("corrections.c", {"network": {"layers": 2}}, r"corrections\.c\.network\.layers: unknown key"),
        ("corrections.c", {"training": {"regime": {}}}, r"corrections\.c\.training\.regime: unknown key"),
        ("corrections.line", {}, r"corrections\.line: a predictor or key has this name too"),
        ("corrections.pool", {}, r"corrections\.pool: a predictor or key has this name too"),
        ("tables.corrected", CORRECTED, r"tables\.corrected\.correction: 'c' is not defined \(defined: none\)"),
        ("tables.corrected", CORRECTED | {"variants": ["both"]}, r"tables\.corrected\.variants\.0: .*'score_only'"),
        (
            "tables.corrected",
            CORRECTED | {"splits": ["validation"]},
            r"tables\.corrected\.splits: validation not among injection\.splits",
        ),
        ("predictors.net.starts_from", "ent", r"predictors\.net\.starts_from: no predictor is named 'ent'"),
        ("predictors.net.starts_from", "net", r"predictors\.net\.starts_from: goes round .*net -> net"),
        ("predictors.net.starts_from", "line", r"predictors\.net\.starts_from: 'line' has another .*another kind"),
        ("predictors.arm", ARM | {"n_components": 4}, r"predictors\.arm\.starts_from: 'net' has another n_components$"),
        ("predictors.arm", ARM | {"horizons": [1, 3]}, r"arm\.starts_from: 'net' is not trained at k = \[3\]"),
        ("predictors.line.starts_from", "net", r"predictors\.line\.starts_from: unknown key"),
        ("predictors.net.training.regime", {"kind": "unroled"}, r"predictors\.net\.training\.regime: .*'unrolled'"),
        (
            "predictors.net.training.regime",
            {"kind": "unrolled", "unroll_steps": 1},
            r"predictors\.net\.training\.regime\.unroll_steps: .*greater than or equal to 2",
        ),
        (
            "predictors.net.training.regime",
            {"kind": "unrolled", "first_unroll_steps": 17},
            r"predictors\.net\.training\.regime: first_unroll_steps must be at most unroll_steps",
        ),
        ("predictors.net.training.regime", {"kind": "noisy_context", "max_noise": 1.5}, r"regime\.max_noise: "),
        ("predictors.net.training.regime", {"kind": "scheduled_sampling", "p_teacher_end": -0.1}, r"\.p_teacher_end: "),
        ("tables.pairs", PAIRED, r"tables\.pairs\.predictors: 'line' alone makes no pair: name two, or surrogates$"),
        ("tables.pairs", PAIRED | {"surrogates": ["shufled"]}, r"^[^;]*tables\.pairs\.surrogates\.0: [^;]*$"),
        (
            "tables.pairs",
            PAIRED | {"surrogates": ["white"], "metrics": ["level_gain"], "horizons": [2, 4]},
            r"tables\.pairs\.metrics: level_gain is measured at k = 1 only",
        ),
        (
            "tables.exact.keys.spiky",
            ["pool"],
            r"tables\.exact\.keys\.spiky: not a process whose exact values are known",
        ),
        ("schema_version", 2, r"schema_version: "),
        ("evaluation.max_frames", None, r"evaluation\.max_frames: "),
    ],
)
def test_a_mistake_is_refused_by_its_dotted_path(path: str, value: Any, message: str):
    assert re.search(message, refusal(edited(path, value)))


@pytest.mark.parametrize(
    "pairs",
    [
        {"predictors": ["line", "net"]},
        {"surrogates": ["white"]},
        {"surrogates": ["white"], "metrics": ["level_gain"], "horizons": [1, 2]},
        {"surrogates": ["white"], "metrics": ["level_gain", "nll"], "horizons": [2]},
    ],
)
def test_a_paired_table_with_a_pair_is_accepted(pairs: dict[str, Any]):
    assert "pairs" in load_config(edited("tables.pairs", PAIRED | pairs)).tables


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (
            "representations.audio",
            {"kind": "logmel"},
            r"representations\.audio: the workflow has a folder of this name",
        ),
        ("predictors.logs", {"kind": "ar1"}, r"predictors\.logs: the workflow has a folder of this name"),
        ("representations.v", {"kind": "var", "radius": math.inf}, r"representations\.v\.radius: .* finite number"),
        ("corpora.speech.splits", {"salt": datetime.date(2026, 1, 1)}, r"corpora\.speech\.splits\.salt: a date"),
        ("tables.exact.predictors", {}, r"tables\.exact\.predictors: .* at least 1"),
    ],
)
def test_names_and_values_that_the_workflow_cannot_hold_are_refused(place: str, value: Any, words: str):
    assert re.search(words, refusal(edited(place, value)))


def test_all_mistakes_are_told_at_once():
    values = edited("predictors.net.dropuot", 0.1)
    values["corpora"]["speech"]["rot"] = "x"
    what = refusal(values)
    assert "predictors.net.dropuot" in what and "corpora.speech.rot" in what


def test_a_config_does_not_change_after_it_was_checked():
    with pytest.raises(ValueError, match="frozen"):
        load_config(SMALL).evaluation.max_frames = 1


# ------------------------------------------------------------------------------- what follows from the tables


def measured(config: Config, table: str, kind: str) -> list[tuple[str, str, int]]:
    """The representation, predictor or key, and seed of a table's measurements of one kind."""
    found = config.tables[table].measurements(config, "speech")
    assert {m.corpus for m in found} <= {"speech"}
    return [(m.representation, m.by, m.seed) for m in found if m.kind == kind]


def test_surrogates_that_tables_ask_for_are_representations():
    config = load_config(SMALL)
    added = {
        name: r.model_dump() for name, r in config.all_representations.items() if name not in SMALL["representations"]
    }
    assert added == {
        f"slow__{method}": {"kind": "surrogate", "source": "slow", "method": method, "dtype": "float32"}
        for method in ("shuffled", "white")
    }
    assert config.tables["phase0"].rows(config) == ["slow", "slow__shuffled", "slow__white"]
    assert config.tables["t"].rows(config) == ["logmel", "slow"]
    assert config.tables["exact"].rows(config) == ["spiky", "var"]


@pytest.mark.parametrize(
    ("predictor", "twin"),
    [
        ({"kind": "mdn", "horizons": [4, 1]}, {"kind": "mdn", "horizons": [4], "network": {"kind": "none"}}),
        (
            {"kind": "flow", "network": {"kind": "transformer"}, "context_clip": 5.0, "transforms": 2},
            {"kind": "flow", "network": {"kind": "none"}, "context_clip": 5.0, "transforms": 2, "horizons": [8]},
        ),
        ({"kind": "linear_gaussian"}, {"kind": "gaussian", "covariance": "full", "horizons": [8]}),
        (
            {"kind": "linear_gaussian", "covariance": "diagonal", "window_frames": 3, "horizons": [2]},
            {"kind": "gaussian", "covariance": "diagonal", "window_frames": 3, "horizons": [2]},
        ),
        ({"kind": "ar1"}, {"kind": "gaussian", "covariance": "diagonal", "horizons": [8]}),
        ({"kind": "gaussian", "mean": "zero"}, None),
        ({"kind": "vmf_lognormal", "network": {"kind": "none"}}, None),
    ],
)
def test_beside_a_predictor_stands_the_same_density_without_a_context(predictor: Any, twin: Any):
    config = load_config(edited("predictors.p", predictor))
    assert "p" in config.all_predictors
    assert ("p__unconditional" in config.all_predictors) == (twin is not None)
    if twin:  # and it would be a valid entry by itself
        expected = load_config(edited("predictors.p", twin)).predictors["p"]
        assert config.all_predictors["p__unconditional"] == expected


def test_a_table_of_predictors_is_measured_with_each_and_its_twin_and_a_closed_form_with_one_seed():
    config = load_config(edited("tables.t", SMALL["tables"]["t"] | {"surrogates": ["white"], "seeds": [3, 5]}))
    of_a_row = [("line", 3), ("line__unconditional", 3), ("net", 3), ("net", 5), ("net__unconditional", 3),
                ("net__unconditional", 5)]  # fmt: skip
    assert measured(config, "t", "lagged") == [
        (row, *who) for row in ("logmel", "logmel__white", "slow", "slow__white") for who in of_a_row
    ]
    assert measured(config, "t", "clusters") == []


def test_a_predictor_without_context_has_no_twin_to_be_measured_with():
    values = edited("predictors.base", {"kind": "gaussian"})
    values["tables"]["t"] |= {"representations": ["slow"], "predictors": ["base"], "seeds": [7]}
    config = load_config(values)
    assert measured(config, "t", "lagged") == [("slow", "base", 7)]


def test_a_correction_is_trained_alike_however_it_is_applied():
    values = edited("corrections", {"a": {"sigmas": [0.2], "step_size": 0.1, "n_steps": [3, 1]}, "b": {}})
    values["tables"]["corrected"] = CORRECTED | {"correction": "a", "surrogates": ["white"], "seeds": [4, 5]}
    config = load_config(values)
    a, b = config.corrections.values()
    assert a.score_model() == b.score_model()
    assert set(a.score_model()) == {"network", "sigma_min", "sigma_max", "training"}
    assert a.sampling() == {"sigmas": [0.2], "step_size": 0.1, "n_steps": [1, 3]}
    assert measured(config, "corrected", "corrections") == [("logmel", "line", 4), ("logmel__white", "line", 4)]
    assert measured(config, "corrected", "lagged") == []


def test_a_control_is_trained_by_teacher_forcing():
    values = edited("predictors.net.training", {"regime": {"kind": "unrolled"}})
    values["tables"]["arms"] = ARMS
    assert measured(load_config(values), "arms", "injection")
    values["tables"]["arms"] = ARMS | {"against": "net"}
    assert re.search(r"tables\.arms\.against: 'net' is trained by unrolled, a control by", refusal(values))


def test_regimes_are_measured_with_forecasts_and_gates_with_evaluations_too():
    values = edited("tables.arms", ARMS | {"seeds": [3, 5], "surrogates": ["white"]})
    values["tables"]["gated"] = GATED | {"seeds": [3, 5]}
    config = load_config(values)
    runs = [("line", 3), ("net", 3), ("net", 5)]  # a closed form with one seed
    assert measured(config, "arms", "injection") == [(row, *who) for row in ("logmel", "logmel__white") for who in runs]
    assert measured(config, "arms", "lagged") == []
    assert (
        measured(config, "gated", "injection")
        == measured(config, "gated", "lagged")
        == [("logmel", *who) for who in runs]
    )  # and no twins


def test_a_clustering_table_is_measured_with_keys_and_predictors_on_every_row():
    config = load_config(SMALL)
    rows = ("slow", "slow__shuffled", "slow__white")
    assert measured(config, "phase0", "clusters") == [(row, key, 0) for row in rows for key in ("pool", "axes")]
    assert measured(config, "phase0", "lagged") == [
        (row, predictor, 0) for row in rows for predictor in ("line", "line__unconditional")
    ]


def test_a_calibration_is_measured_as_its_mappings_say():
    config = load_config(edited("tables.exact.keys", {"var": ["axes", "pool"]}))
    assert measured(config, "exact", "lagged") == [
        (row, predictor, 0) for row in ("spiky", "var") for predictor in ("line", "line__unconditional")
    ]
    assert measured(config, "exact", "clusters") == [("var", "axes", 0), ("var", "pool", 0)]


def test_a_predictor_that_starts_from_another_keeps_its_origin_and_names_its_regime():
    training = {"regime": {"kind": "unrolled"}}
    values = edited("predictors.arm", ARM | {"log_sigma_max": 0.7, "context_clip": 5.0, "training": training})
    values["predictors"]["second"] = {**values["predictors"]["arm"], "starts_from": "arm"}
    values["tables"]["forecasts"] = {
        "kind": "injection", "corpora": ["speech"], "representations": ["logmel"], "predictors": ["net", "second"],
    }  # fmt: skip
    config = load_config(values)
    assert [config.origin(name) for name in ("net", "arm", "second", "line")] == ["net", "net", "net", "line"]
    assert [config.all_predictors[name].regime for name in ("net", "arm", "line")] == [
        "teacher_forced", "unrolled", "teacher_forced",
    ]  # fmt: skip
    twin = config.all_predictors["arm__unconditional"]
    assert twin.regime == "teacher_forced" and twin.starts_from is None, "without a context there is none to generate"


# ------------------------------------------------------------------------- the documents that are to say the same


def sections() -> dict[str, type[BaseModel]]:
    """Every section that a config can hold."""
    models = {model.__name__: model for model in all_models()}
    return {name: models[name] for name in (*Config.model_json_schema()["$defs"], "Config")}


def test_what_is_generated_is_on_disk_as_the_models_say():
    """`python -m latentdyn.config` writes both."""
    assert (FOLDER / "schema.json").read_text() == json_schema()
    readme = (FOLDER / "README.md").read_text()
    assert readme == with_tables(readme)


def test_the_readme_has_a_table_for_every_section_that_has_keys_and_each_key_has_a_meaning():
    documented = re.findall(r"<!-- keys: (\w+) -->", (FOLDER / "README.md").read_text())
    assert len(set(documented)) == len(documented)
    for name, model in sections().items():
        keys = keys_of(model, set(documented) - {name})
        assert name in documented or not keys, f"config/README.md has no table of {name}, which has {', '.join(keys)}"
        assert [key for key, field in keys.items() if not field.description] == [], name


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (PositiveInt, "whole number, 1 or more"), (Fraction, "number, 0 or more and below 1"),
        (PositiveFloat | None, "number, above 0 or null"), (Literal["a", "b", "c"], "`a`, `b` or `c`"),
        (Literal[1], "1"), (bool, "true or false"), (list[Split], "list of `train`, `validation`, `eval`"),
        (dict[Name, Name], "mapping of names to names"), (dict[Name, Names], "mapping of names to lists of names"),
        (Annotated[int, Field(ge=4, le=48)], "whole number, 4 to 48"), (Name, "name"), (str, "text"), (float, "number"),
    ],
)  # fmt: skip
def test_a_type_is_told_in_words(annotation: Any, words: str):
    assert type_in_words(TypeAdapter(annotation).json_schema()) == words
