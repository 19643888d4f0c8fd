"""Config, rules and code hold together: shipped files plan, rules and steps agree, settings fit who takes them."""

import importlib
import inspect
import itertools
import re
from typing import Any, get_args
from unittest.mock import Mock, create_autospec

import pytest
import yaml
from pydantic import BaseModel
from snakemake.utils import update_config

from latentdyn import config
from latentdyn.codecs.base import open_codec
from latentdyn.config import Config, Evaluation, Latents, LibriSpeech, Splits, Training, load_config
from latentdyn.corpus.splits import SPLITS, split_speakers
from latentdyn.diagnostics.lagged import EvaluationSettings
from latentdyn.predictors.base import SolvedPredictor, build_predictor
from latentdyn.stores.frames import SLICES
from latentdyn.training.loop import TrainingSettings

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


@pytest.mark.workflow
@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_file_plans_every_measurement_of_its_tables(checkout: Checkout, name: str):
    shipped = merged(name)
    encoded, fitted = set(), set()
    for table in shipped.tables.values():
        for corpus, representation in itertools.product(table.corpora, table.representations):
            audio = shipped.corpora[corpus]
            assert not isinstance(audio, Latents)
            if isinstance(audio, LibriSpeech) and audio.root:  # one with a url plans with nothing there
                lay_down(checkout, audio)
            encoder = shipped.root_representation(representation).canonical()
            encoded |= {(corpus, encoder, part) for part in range(audio.encoding_parts)}
            for predictor in table.predictors:
                seeds = table.seeds[:1] if shipped.predictors[predictor].closed_form else table.seeds
                fitted |= {(corpus, representation, predictor, seed) for seed in seeds}
    planned = checkout.planned("--configfile", f"config/{name}")  # the last --configfile counts
    assert planned["encode_latents"] == len(encoded)
    assert planned["train_predictor"] == planned["evaluate_predictor"] == len(fitted)
    assert planned["tabulate_lagged"] == sum(len(table.corpora) for table in shipped.tables.values())


# ------------------------------------------------------------------------------------------- rules and steps


def rules_in(text: str) -> dict[str, str]:
    return {name: body for name, body in re.findall(r"^rule (\w+):\n((?:[ ].*\n|\n)+)", text, re.M)}


RULES = {
    name: body for file in (ROOT / "workflow/rules").glob("*.smk") for name, body in rules_in(file.read_text()).items()
}
STEPS = {path.stem for path in (ROOT / "src/latentdyn/steps").glob("*.py")} - {"__init__", "cli"}


def test_every_rule_has_a_step_of_its_name_and_every_step_a_rule():
    assert set(RULES) == STEPS


@pytest.mark.parametrize("name", RULES)
def test_a_rule_runs_its_own_step_and_is_re_run_when_that_is_edited(name: str):
    assert re.findall(r"python -m ([\w.]+)", RULES[name]) == [f"latentdyn.steps.{name}"]
    assert re.findall(r'code_digest\(\s*"([\w.]+)"', RULES[name]) == [f"latentdyn.steps.{name}"]


@pytest.mark.parametrize("name", RULES)
def test_a_rule_gives_its_step_every_option_that_it_requires_and_none_that_it_lacks(name: str):
    parser = Mock()
    importlib.import_module(f"latentdyn.steps.{name}").add_arguments(parser)
    options = {call.args[0]: call.kwargs for call in parser.add_argument.call_args_list}
    given = re.findall(r"--[a-z-]+", RULES[name].partition("python -m")[2])
    assert len(set(given)) == len(given)
    assert {option for option, how in options.items() if how.get("required")} <= set(given) <= options.keys()


@pytest.mark.parametrize("name", RULES)
def test_what_a_shell_sees_of_a_users_making_is_quoted(name: str):
    """Paths, names and JSON hold blanks and quotes; numbers, digests and what `wildcard_constraints` limit do not."""
    command = RULES[name].partition("shell:")[2]
    bare = re.findall(r"\{([\w.]+)\}", command)
    plain = {"threads", "params.code", "params.n_speakers", "params.sentences", "params.frame_rate_hz"}
    assert {value for value in bare if not value.startswith("wildcards.")} <= plain


# ---------------------------------------------------------------------------------- settings and who takes them


def kinds(union: Any) -> list[type[BaseModel]]:
    """The members of a discriminated union of config sections."""
    return list(get_args(get_args(union)[0]))


def settings_of(section: type[BaseModel]) -> dict[str, Any]:
    """A section as its rule hands it on: every key, defaults filled in."""
    required = {name: "x" for name, field in section.model_fields.items() if field.is_required() and name != "kind"}
    return section.model_validate({"kind": kind_of(section), **required}).model_dump(mode="json")


def kind_of(section: type[BaseModel]) -> str:
    (kind,) = get_args(section.model_fields["kind"].annotation)
    return kind


@pytest.mark.parametrize("section", get_args(config.Encoder), ids=kind_of)
def test_a_codec_takes_the_settings_of_its_kind(section: type[BaseModel], monkeypatch: pytest.MonkeyPatch):
    module = importlib.import_module(f"latentdyn.codecs.{kind_of(section)}")
    codec = create_autospec(getattr(module, section.__name__))  # refuses what the signature does; needs no weights
    monkeypatch.setattr(module, section.__name__, codec)
    open_codec(settings_of(section))
    assert codec.call_count == 1
    taken = inspect.signature(codec).parameters.keys() - {"device"}
    assert taken == settings_of(section).keys() - {"kind", "dtype"}, "every setting can be set"


def test_every_encoder_of_the_config_is_a_representation():
    derived = {"pooled", "provided"}
    assert {kind_of(section) for section in get_args(config.Encoder)} | derived == {
        kind_of(section) for section in kinds(config.Representation)
    }


@pytest.mark.parametrize("section", kinds(config.Predictor), ids=kind_of)
def test_a_predictor_takes_the_settings_of_its_kind(section: Any):
    predictor = build_predictor(settings_of(section), dim=3)
    assert (predictor.dim, predictor.window_frames) == (3, 8)
    assert isinstance(predictor, SolvedPredictor) == section.closed_form, "a closed form is fitted once for all seeds"
    taken = inspect.signature(type(predictor)).parameters.keys() - {"dim"}
    assert taken == settings_of(section).keys() - {"kind", "horizons", "training"}, "every setting can be set"


def test_training_evaluation_and_splits_take_their_sections():
    TrainingSettings(**Training().model_dump())
    EvaluationSettings(**Evaluation().model_dump())
    inspect.signature(split_speakers).bind(Mock(), **Splits().model_dump())


def test_splits_and_slices_have_one_set_of_names():
    assert get_args(config.Split) == SPLITS
    assert get_args(config.Slice) == SLICES
