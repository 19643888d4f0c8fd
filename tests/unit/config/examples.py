"""A small configuration that has one of everything, its variants, and the files of config/."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from snakemake.utils import update_config

from latentdyn.config import Config, load_config
from latentdyn.errors import UserError

FOLDER = Path(__file__).parents[3] / "config"
OVERLAYS = sorted(path.stem for path in FOLDER.glob("*.yaml") if path.stem != "config")

SMALL: dict[str, Any] = {
    "schema_version": 1,
    "corpora": {"speech": {"kind": "folder", "root": "audio"}, "mine": {"kind": "latents", "index": "a.csv",
                                                                       "frame_rate_hz": 12.5},
                "known": {"kind": "synthetic"}},
    "representations": {"logmel": {"kind": "logmel"}, "given": {"kind": "provided"},
                        "slow": {"kind": "pooled", "source": "logmel", "frame_rate_hz": 6.25},
                        "var": {"kind": "var"}, "spiky": {"kind": "outliers", "source": "var"},
                        "cycle": {"kind": "prototypes"},
                        "blurred": {"kind": "pooled", "source": "var", "frame_rate_hz": 6.25}},
    "predictors": {"line": {"kind": "linear_gaussian"}, "net": {"kind": "mdn"}},
    "keys": {"pool": {"kind": "mean_pool"}, "axes": {"kind": "pca"}},
    "tables": {"t": {"kind": "lagged", "corpora": ["speech"], "representations": ["logmel", "slow"],
                     "predictors": ["line", "net"]},
               "phase0": {"kind": "clustering", "corpora": ["speech"], "representations": ["slow"],
                          "surrogates": ["shuffled", "white"], "keys": ["pool", "axes"], "predictors": ["line"]},
               "exact": {"kind": "calibration", "corpora": ["known"], "predictors": {"spiky": "line", "var": "line"},
                         "keys": {"cycle": ["pool"]}}},
}  # fmt: skip


FORECAST = {"corpora": ["speech"], "representations": ["logmel"], "predictors": ["line", "net"]}
ARMS = {"kind": "regimes", "against": "line", **FORECAST}
GATED = {"kind": "gates", **FORECAST}
CORRECTED = {"kind": "score_correction", "corpora": ["speech"], "representations": ["logmel"], "predictors": ["line"],
             "correction": "c"}  # fmt: skip


TRADEOFF = {"kind": "tradeoff", **FORECAST}
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
