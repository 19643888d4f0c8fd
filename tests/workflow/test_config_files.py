"""Config, rules and code hold together: shipped files plan, rules and steps agree, settings fit who takes them."""

import importlib
import inspect
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, get_args
from unittest.mock import Mock, create_autospec

import pandas as pd
import pytest
import torch
import yaml
from pydantic import BaseModel
from snakemake.utils import update_config

from latentdyn.codecs.base import open_codec
from latentdyn.config import Config, load_config, predictors, representations, values
from latentdyn.config.corpora import LibriSpeech, Splits, Synthetic
from latentdyn.config.corrections import Correction, ScoreNetwork
from latentdyn.config.keys import KeyKind
from latentdyn.config.kinds import kinds_of
from latentdyn.config.lookup import LookupKind
from latentdyn.config.measurements import MeasurementKind, measurement_kinds
from latentdyn.config.measurements.clusters import Clustering
from latentdyn.config.measurements.free_runs import FreeRuns
from latentdyn.config.measurements.injection import Injection
from latentdyn.config.measurements.lagged import Evaluation
from latentdyn.config.networks import NetworkKind
from latentdyn.config.predictors import PredictorKind
from latentdyn.config.regimes import RegimeKind
from latentdyn.config.representations import Encoder, Process, RepresentationKind, factorizer
from latentdyn.config.representations.learned import LearnedRepresentation
from latentdyn.config.representations.objectives import PriorKind, ReconstructionKind, TermKind
from latentdyn.config.representations.same_shape import SurrogateMethod
from latentdyn.config.tables import TableKind
from latentdyn.config.tables.lagged import LaggedColumn
from latentdyn.config.tables.score_correction import ScoreCorrectionTable
from latentdyn.config.training import RepresentationTraining, ScoreTraining, Training
from latentdyn.corpus.splits import SPLITS, split_speakers
from latentdyn.corpus.synthetic import synthetic_manifest
from latentdyn.correction.variants import KINDS as VARIANTS
from latentdyn.correction.variants import SamplingSettings
from latentdyn.diagnostics.clusters import ClusteringSettings
from latentdyn.diagnostics.clusters.keys import KEYS, build_key
from latentdyn.diagnostics.free_runs import FreeRunSettings
from latentdyn.diagnostics.injection import InjectionSettings
from latentdyn.diagnostics.lagged import EvaluationSettings
from latentdyn.diagnostics.records import SUMS, WORST_FRAMES
from latentdyn.families import CODECS, MEASUREMENTS, PREDICTORS, PROCESSES, VIEWS
from latentdyn.models.factorizer.dynamics import Dynamics, FutureHeads
from latentdyn.models.factorizer.innovation import Innovation
from latentdyn.models.factorizer.reconstructor import Reconstructor
from latentdyn.models.score.network import ScoreModel, build_score_model
from latentdyn.models.vae.objectives import PRIORS, TERMS
from latentdyn.models.vae.reconstructions import RECONSTRUCTIONS
from latentdyn.predictors.base import SolvedPredictor, build_predictor
from latentdyn.predictors.lookup import build_lookup
from latentdyn.predictors.network_predictor import NetworkPredictor
from latentdyn.predictors.networks import build_network
from latentdyn.processes.base import build_process
from latentdyn.reporting.measurements import Measurements
from latentdyn.reporting.views.lagged import lagged_rows
from latentdyn.representations.surrogate import METHODS
from latentdyn.stores.frame_index import SLICES
from latentdyn.stores.windows import Scaling, Windows
from latentdyn.training.loop import TrainingSettings
from latentdyn.training.regimes import REGIMES, build_regime
from tests.settings import kind_of

from .conftest import ROOT, Checkout

# ----------------------------------------------------------------------------------------- the files we ship

SHIPPED = sorted(path.name for path in (ROOT / "config").glob("*.yaml"))


def merged(name: str) -> Config:
    """A file as a run sees it: on top of config.yaml, merged by Snakemake itself."""
    values = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    update_config(values, yaml.safe_load((ROOT / "config" / name).read_text()))
    return load_config(values)


def lay_down(checkout: Checkout, corpus: LibriSpeech) -> None:
    """The tree that a user provides: planning lists its files and opens none."""
    root = checkout.folder / str(corpus.root)
    (root / corpus.subset / "19/198").mkdir(parents=True, exist_ok=True)
    (root / corpus.subset / "19/198/19-198-0000.flac").touch()
    (root / "SPEAKERS.TXT").touch()


MADE_BY = {  # the rule that makes the store of each family of representations
    representations.Encoder: "merge_latents", representations.Process: "simulate_process",
    representations.Provided: "import_latents", representations.Derived: "derive_latents",
}  # fmt: skip


def made_by(kind: type[RepresentationKind]) -> str:
    (rule,) = (rule for family, rule in MADE_BY.items() if issubclass(kind, family))
    return rule


def jobs(shipped: Config) -> Counter[str]:
    """How often a run from nothing starts each rule that measures something or makes latents."""
    asked = [(corpus, table) for table in shipped.tables.values() for corpus in table.corpora]
    measured = {measurement for corpus, table in asked for measurement in table.measurements(shipped, corpus)}
    rows = {(corpus, row) for corpus, table in asked for row in table.rows(shipped)}
    rows |= {(m.corpus, m.representation) for m in measured}
    stores = {(corpus, name) for corpus, row in rows for name in sources(shipped, row)}
    kinds = {kind.measurement: kind for kind in shipped.measurement_kinds()}
    models = {
        (m.corpus, m.representation, m.seed, model.name, model.kind)
        for m in measured
        for model in kinds[m.kind].models(shipped, m.by, m.variant).values()
    }
    count = Counter(made_by(type(shipped.all_representations[name])) for _, name in stores)
    for corpus, name in stores:
        if isinstance(shipped.all_representations[name], Encoder):
            count["encode_latents"] += shipped.corpora[corpus].encoding_parts
        if isinstance(own := shipped.all_representations[name], LearnedRepresentation):
            count[f"train_{own.kind}"] += 1
    count.update(f"measure_{m.kind}" for m in measured)
    count.update(f"train_{kind}" for *_, kind in models)
    count.update(dict.fromkeys(("collect_metrics", "tabulate_metrics", "plot_metrics"), len(asked)))
    return count


def sources(shipped: Config, name: str) -> list[str]:
    """A representation and all that it is derived from."""
    representation = shipped.all_representations[name]
    derived = isinstance(representation, representations.Derived)
    return [name, *(sources(shipped, representation.source) if derived else [])]


def measuring(planned: dict[str, int]) -> Counter[str]:
    """Without the rules that lead from recordings to an index of frames."""
    preparing = {"download_corpus", "synthesize_demo", "number_utterances", "build_manifest", "split_speakers",
                 "inspect_recordings", "merge_manifests", "partition_manifest", "index_frames"}  # fmt: skip
    return Counter({rule: n for rule, n in planned.items() if rule not in preparing})


@pytest.mark.workflow
@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_file_plans_every_measurement_of_its_tables(checkout: Checkout, name: str):
    shipped = merged(name)
    for table in shipped.tables.values():
        for corpus in (shipped.corpora[name] for name in table.corpora):
            if isinstance(corpus, LibriSpeech) and corpus.root:  # one with a url plans with nothing there
                lay_down(checkout, corpus)
    planned = checkout.planned("--configfile", f"config/{name}")
    assert measuring(planned) == jobs(shipped)


@pytest.mark.workflow
def test_tables_of_every_kind_plan_what_their_rows_are_measured_with(checkout: Checkout):
    def change(values: dict[str, Any]) -> None:
        rows: dict[str, Any] = {"corpora": ["tiny"], "representations": ["mel"], "surrogates": ["white", "shuffled"]}
        both = rows | {"predictors": ["net", "line"], "horizons": [1, 2]}
        values["keys"] = {"pool": {"kind": "mean_pool"}}
        values["clustering"] = {"window_frames": 2, "longest_horizon": 2, "cluster_counts": [2]}
        values["corpora"]["known"] = {"kind": "synthetic"}
        values["representations"] |= {"var": {"kind": "var"}, "spiky": {"kind": "outliers", "source": "var"}}
        values["tables"] |= {
            "differences": {"kind": "paired", **both},
            "outliers": {"kind": "outlier_audit", **both, "surrogates": []},
            "phase0": {"kind": "clustering", **rows, "keys": ["pool"], "predictors": ["line"]},
            "forecasts": {"kind": "injection", "corpora": ["tiny"], "representations": ["mel"], "predictors": ["net"]},
            "steps": {
                "kind": "injection_steps",
                "corpora": ["tiny"],
                "representations": ["mel"],
                "predictors": ["net"],
            },
            "arms": {"kind": "regimes", "against": "net", "corpora": ["tiny"], "representations": ["mel"],
                     "predictors": ["net", "line"]},
            "gated": {"kind": "gates", "corpora": ["tiny"], "representations": ["mel"], "predictors": ["net"]},
            "runs": {"kind": "free_runs", "corpora": ["tiny"], "representations": ["mel"], "predictors": ["line"]},
            "exact": {"kind": "calibration", "corpora": ["known"], "predictors": {"var": "line", "spiky": "line"}},
            "corrected": {"kind": "score_correction", "corpora": ["tiny"], "representations": ["mel"],
                          "predictors": ["net", "line"], "correction": "score", "seeds": [0, 1]},
            "noise": {"kind": "score_correction", "corpora": ["tiny"], "representations": ["mel"],
                      "predictors": ["line"], "correction": "score", "variants": ["noise_only"]},
        }  # fmt: skip
        values["corrections"] = {"score": {"sigmas": [0.2]}, "unused": {}}

    checkout.configure(change)
    expected = {
        "encode_latents": 2, "merge_latents": 1, "derive_latents": 3, "simulate_process": 1,
        # mel and its two surrogates by net, line and their unconditional ones; var and spiky by line and its own
        "train_predictor": 3 * 4 + 2 * 2 + 1, "measure_lagged": 3 * 4 + 2 * 2, "measure_clusters": 3,
        # of corrections net with both seeds, the second of which only they ask for, and line with the first
        "train_score": 2, "measure_corrections": 3,
        "measure_injection": 2, "measure_free_runs": 1,
        "collect_metrics": 12, "tabulate_metrics": 12, "plot_metrics": 12,
    }  # fmt: skip
    assert measuring(checkout.planned()) == expected


# ------------------------------------------------------------------------------------------- rules and steps


def rules_in(text: str) -> dict[str, tuple[str, str]]:
    """The step and the text of each rule of a file. Kinds of measurement have one text, and no name in it."""
    found = {}
    for name, body in re.findall(r"^ *rule ?(\w*):\n((?: .*\n|\n)+)", text, re.M):
        if "shell:" in body:  # others only ask for what is to be made
            (step,) = re.findall(r"python -m latentdyn\.steps\.(\w+)", body)
            found[name or step] = step, body
    return found


RULES = {
    name: rule for file in (ROOT / "workflow/rules").glob("*.smk") for name, rule in rules_in(file.read_text()).items()
}
STEPS = {path.stem for path in (ROOT / "src/latentdyn/steps").glob("*.py")} - {"__init__", "cli", "settings"}
BY_HAND = {"verify_results"}  # a step that no rule runs


def test_every_rule_has_a_step_and_every_step_a_rule():
    assert {step for step, _ in RULES.values()} == STEPS - BY_HAND


@pytest.mark.parametrize("name", RULES)
def test_a_rule_that_reads_something_is_re_run_when_that_is_gone(name: str):
    _, text = RULES[name]
    assert ("input:\n" in text) == ("inputs=presence," in text)


@pytest.mark.parametrize("name", RULES)
def test_a_rule_is_re_run_when_its_own_step_is_edited(name: str):
    step, body = RULES[name]
    assert re.findall(r'code_digest\(\s*"([\w.]+)"', body) == [f"latentdyn.steps.{step}"]


@pytest.mark.parametrize("name", RULES)
def test_a_rule_gives_its_step_every_option_that_it_requires_and_none_that_it_lacks(name: str):
    parser = Mock()
    step, body = RULES[name]
    importlib.import_module(f"latentdyn.steps.{step}").add_arguments(parser)
    options = {call.args[0]: call.kwargs for call in parser.add_argument.call_args_list}
    given = re.findall(r"--[a-z0-9-]+", body.partition("python -m")[2])
    assert len(set(given)) == len(given)
    assert {option for option, how in options.items() if how.get("required")} <= set(given) <= options.keys()


@pytest.mark.parametrize("name", RULES)
def test_what_a_shell_sees_of_a_users_making_is_quoted(name: str):
    """Paths, names and JSON hold blanks and quotes; numbers, digests and what `wildcard_constraints` limit do not."""
    command = RULES[name][1].partition("shell:")[2]
    bare = re.findall(r"\{([\w.]+)\}", command)
    plain = {
        "threads",
        "params.code",
        "params.n_speakers",
        "params.sentences",
        "params.resamples",
        "params.frame_rate_hz",
        "params.device",
        "params.max_nonfinite_share",
    }
    assert {value for value in bare if not value.startswith("wildcards.")} <= plain


# ---------------------------------------------------------------------------------- settings and who takes them


def settings_of(section: type[BaseModel]) -> dict[str, Any]:
    """A section as its rule hands it on: every key, defaults filled in."""
    required = {name: "x" for name, field in section.model_fields.items() if field.is_required() and name != "kind"}
    return section.model_validate({"kind": kind_of(section), **required}).model_dump(mode="json")


@pytest.mark.parametrize("section", kinds_of(Encoder), ids=kind_of)
def test_a_codec_takes_the_settings_of_its_kind(section: type[BaseModel], monkeypatch: pytest.MonkeyPatch):
    module = importlib.import_module(CODECS.module(kind_of(section)))
    codec = create_autospec(module.CODEC)  # refuses what the signature does; needs no weights
    monkeypatch.setattr(module, "CODEC", codec)
    open_codec(settings_of(section))
    assert codec.call_count == 1
    taken = inspect.signature(codec).parameters.keys() - {"device"}
    assert taken == settings_of(section).keys() - {"kind", "dtype"}, "every setting can be set"


def test_every_representation_has_a_rule_that_makes_its_store():
    assert {made_by(kind) for kind in kinds_of(RepresentationKind)} == set(MADE_BY.values()) <= set(RULES)


@pytest.mark.parametrize("section", kinds_of(RepresentationKind), ids=kind_of)
def test_a_representation_names_the_module_that_makes_it(section: type[BaseModel]):
    if section.__name__ != "Provided":  # which a step imports as it is
        assert importlib.import_module(section.model_construct(kind=kind_of(section)).module)


@pytest.mark.parametrize("kind", measurement_kinds(), ids=lambda kind: kind.measurement)
def test_a_kind_of_measurement_has_a_module_that_measures(kind: type[MeasurementKind]):
    measure = importlib.import_module(kind().module).measure
    assert list(inspect.signature(measure).parameters) == ["subject", "settings"]
    assert kind().module == MEASUREMENTS.module(kind.measurement)


@pytest.mark.parametrize("section", kinds_of(Process), ids=kind_of)
def test_a_process_takes_the_settings_of_its_kind(section: type[BaseModel]):
    process = build_process(settings_of(section))
    assert (process.kind, process.dim) == (kind_of(section), settings_of(section)["dim"])
    taken = inspect.signature(type(process)).parameters.keys()
    assert taken == settings_of(section).keys() - {"kind", "dtype"}, "every setting can be set"


@pytest.mark.parametrize("section", kinds_of(PredictorKind), ids=kind_of)
def test_a_predictor_takes_the_settings_of_its_kind(section: Any):
    predictor = build_predictor(settings_of(section), dim=3)
    assert (predictor.dim, predictor.window_frames) == (3, 8)
    assert isinstance(predictor, SolvedPredictor) == section.closed_form, "a closed form is fitted once for all seeds"
    taken = set()
    for part in type(predictor).__mro__:  # a part takes what the one before hands on as **keywords
        arguments = inspect.signature(part).parameters.values()
        taken |= {one.name for one in arguments if one.kind is not one.VAR_KEYWORD} - {"dim", "outputs"}
        if all(one.kind is not one.VAR_KEYWORD for one in arguments):
            break
    of_fitting = {"kind", "horizons", "training", "starts_from", "match_parameters_of"}  # or of building
    assert taken == settings_of(section).keys() - of_fitting, "every setting can be set"


@pytest.mark.parametrize("section", kinds_of(PredictorKind), ids=kind_of)
def test_an_unconditional_predictor_says_the_same_whatever_the_context(section: Any):
    own = section(kind=kind_of(section), horizons=[1, 4])
    twin = own.unconditional() or own  # a Gaussian is one itself
    torch.manual_seed(0)
    predictor = build_predictor(twin.model_dump(mode="json"), dim=3).eval()
    contexts = torch.randn(2, 8, 3, generator=torch.Generator().manual_seed(0))
    densities = predictor.density(contexts[:1]), predictor.density(contexts[1:])
    if densities[0].gives("log_prob"):
        first, second = (density.log_prob(torch.ones(1, 3)) for density in densities)
    else:
        first, second = (density.sample(torch.Generator().manual_seed(0)) for density in densities)
    torch.testing.assert_close(first, second)
    assert twin.horizons[-1] == 4


@pytest.mark.parametrize("section", kinds_of(RegimeKind), ids=kind_of)
def test_a_regime_takes_the_settings_of_its_kind(section: type[BaseModel]):
    settings = settings_of(section)
    regime = build_regime(settings)
    assert isinstance(regime, REGIMES[settings["kind"]])
    made_of = {"unroll_steps"} if "at_steps" in settings else set()
    assert inspect.signature(type(regime)).parameters.keys() == settings.keys() - {"kind"} | made_of


@pytest.mark.parametrize("section", kinds_of(NetworkKind), ids=kind_of)
def test_a_network_takes_the_settings_of_its_kind(section: type[BaseModel]):
    network = build_network(settings_of(section), 3, 2, 5)
    assert network(torch.zeros(4, 2, 3)).shape == (4, 5)
    taken = inspect.signature(type(network)).parameters.keys() - {"dim", "window_frames", "outputs"}
    assert taken == settings_of(section).keys() - {"kind"}, "every setting can be set"


@pytest.mark.parametrize("section", kinds_of(LookupKind), ids=kind_of)
def test_a_lookup_takes_the_settings_of_its_kind(section: type[BaseModel]):
    lookup = build_lookup(settings_of(section), 3, 2, 5)
    assert type(lookup).__name__.lower() == kind_of(section)
    taken = inspect.signature(type(lookup)).parameters.keys() - {"dim", "window_frames", "outputs"}
    assert taken == settings_of(section).keys() - {"kind"}, "every setting can be set"


@pytest.mark.parametrize(
    ("base", "made_by"), [(TermKind, TERMS), (PriorKind, PRIORS), (ReconstructionKind, RECONSTRUCTIONS)]
)
def test_what_a_vae_is_asked_for_takes_the_settings_of_its_kind(base: type[BaseModel], made_by: dict[str, Any]):
    assert {kind_of(section): section.model_fields.keys() - {"kind", "weight"} for section in kinds_of(base)} == {
        kind: inspect.signature(module).parameters.keys() - {"dim", "args", "kwargs"}
        for kind, module in made_by.items()
    }, "every setting can be set"


@pytest.mark.parametrize("section", kinds_of(KeyKind), ids=kind_of)
def test_a_key_takes_the_settings_of_its_kind(section: type[BaseModel]):
    settings = settings_of(section)
    taken = inspect.signature(type(build_key(settings))).parameters.keys()
    assert taken == settings.keys() - {"kind"}, "every setting can be set"
    latents = torch.randn(100, 6, generator=torch.Generator().manual_seed(0))
    windows = Windows(latents, torch.arange(10, 100), window_frames=4)
    few = {"dims": 2} if "dims" in settings else {}
    key = build_key(settings | few).fit(windows, windows, Scaling.fit(windows))
    assert key.features(latents[None, :4]).shape == (1, few.get("dims", 6))


@pytest.mark.parametrize("section", kinds_of(TableKind), ids=kind_of)
def test_a_kind_of_table_has_a_sheet_and_a_figure(section: type[BaseModel]):
    view = importlib.import_module(VIEWS.module(section.view or kind_of(section)))
    for function in (view.tabulate, view.draw):
        assert list(inspect.signature(function).parameters) == ["measured", "table", "plan"]


def test_what_measures_takes_the_settings_of_its_kind():
    config = merged("soundstream.yaml")
    kinds = {kind.measurement: kind for kind in config.measurement_kinds()}
    EvaluationSettings(**kinds["lagged"].settings(config, "vmf", None))
    InjectionSettings(**kinds["injection"].settings(config, "vmf", None))
    FreeRunSettings(**kinds["free_runs"].settings(config, "vmf", None))
    clusters = kinds["clusters"].settings(config, "pca", None)
    ClusteringSettings(**clusters["clustering"])
    build_key(clusters["key"])
    corrections = kinds["corrections"].settings(config, "vmf", "score")
    SamplingSettings(**corrections["sampling"])
    InjectionSettings(**corrections["injection"])


def test_training_and_splits_take_their_sections():
    assert TrainingSettings.of(Training().model_dump()).steps == Training().steps
    TrainingSettings(**ScoreTraining().model_dump())
    TrainingSettings.of(RepresentationTraining().model_dump())
    assert build_score_model(Correction().score_model(), dim=3).sigma_max == Correction().sigma_max
    inspect.signature(split_speakers).bind(Mock(), **Splits().model_dump())
    inspect.signature(synthetic_manifest).bind(
        **Synthetic(kind="synthetic").model_dump(exclude={"kind", "splits", "max_nonfinite_share"})
    )


def takers() -> Iterator[tuple[type[BaseModel], Callable[..., Any]]]:
    """Every section of settings, with what the code makes of it."""
    yield from ((section, section.family.load(kind_of(section))) for section in kinds_of(RepresentationKind))
    yield from ((section, PREDICTORS.load(kind_of(section))) for section in kinds_of(PredictorKind))
    yield predictors.NetworkPredictor, NetworkPredictor  # which takes what a head hands on as **network
    yield from ((section, type(build_network(settings_of(section), 3, 2, 5))) for section in kinds_of(NetworkKind))
    yield from ((section, REGIMES[kind_of(section)]) for section in kinds_of(RegimeKind))
    yield from ((section, KEYS[kind_of(section)]) for section in kinds_of(KeyKind))
    yield from ((section, TrainingSettings) for section in (Training, ScoreTraining, RepresentationTraining))
    yield from ((section, TERMS[kind_of(section)]) for section in kinds_of(TermKind))
    yield from ((section, PRIORS[kind_of(section)]) for section in kinds_of(PriorKind))
    yield from ((section, RECONSTRUCTIONS[kind_of(section)]) for section in kinds_of(ReconstructionKind))
    yield from ((factorizer.Innovation, Innovation), (factorizer.Reconstructor, Reconstructor))
    yield from ((factorizer.Dynamics, Dynamics), (factorizer.Future, FutureHeads))
    yield from ((Correction, SamplingSettings), (Correction, ScoreModel), (ScoreNetwork, ScoreModel))
    yield from ((Evaluation, EvaluationSettings), (Injection, InjectionSettings), (FreeRuns, FreeRunSettings))
    yield from ((Clustering, ClusteringSettings), (Evaluation, ClusteringSettings))
    yield from ((Splits, split_speakers), (Synthetic, synthetic_manifest))


def test_defaults_live_in_the_config_alone():
    again = [
        f"{taker.__name__}: {name}"
        for section, taker in takers()
        for name, parameter in inspect.signature(taker).parameters.items()
        if name in section.model_fields and parameter.default is not parameter.empty
    ]
    assert not again, "the config says these defaults too, and the two may differ"


def test_names_that_config_and_code_share_are_the_same():
    assert get_args(values.Split) == SPLITS
    assert get_args(values.Slice) == SLICES
    assert get_args(SurrogateMethod) == METHODS
    assert {kind_of(section) for section in kinds_of(Process)} == set(PROCESSES.kinds())
    assert {kind_of(section) for section in kinds_of(KeyKind)} == set(KEYS)
    assert ScoreCorrectionTable.model_fields["variants"].default == list(VARIANTS)


def test_the_columns_of_the_config_are_those_of_the_table():
    where = {"representation": "r", "by": "p", "regime": "teacher_forced", "seed": 0, "split": "eval", "slice": "all",
             "horizon": 1}  # fmt: skip
    rate = {**where, "metric": "frame_rate_hz", "value": 12.5, "n": 1, "status": "ok", "ci_low": None, "ci_high": None}
    records = pd.DataFrame([rate, rate | {"metric": "nll"}])
    measured = Measurements(records, pd.DataFrame(columns=list(SUMS)), pd.DataFrame(columns=list(WORST_FRAMES)))
    table = {"predictors": ["p"], "seeds": [0], "splits": ["eval"], "slices": ["all"], "horizons": [1]}
    plan = {"rows": ["r"], "kinds": {"representations": {"r": "var"}, "predictors": {"p": "mdn"}}}
    assert set(lagged_rows(measured, table, plan)) == set(get_args(LaggedColumn))
