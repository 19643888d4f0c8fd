"""What the configuration accepts, and what it fills in."""

import json
from pathlib import Path

from latentdyn.config import load_config
from latentdyn.config.networks import MLPNetwork
from latentdyn.metrics import LAGGED_COLUMNS

from .examples import SMALL, edited


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
