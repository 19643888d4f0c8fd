"""`latentdyn.measure` gives the numbers of the workflow's table, whether from arrays or from files."""

import numpy as np
import pandas as pd
import pytest
import yaml

import latentdyn
from latentdyn.certificate.measure import measure_index

from .conftest import Checkout

COLUMNS = [
    "dnll", "dnll_ci_low", "dnll_ci_high", "context_gain", "context_gain_ci_low", "context_gain_ci_high", "level_gain",
    "level_gain_ci_low", "level_gain_ci_high", "cosine", "cosine_ci_low", "cosine_ci_high", "r2_delta", "r2_head",
]  # fmt: skip
KEYS = ["representation", "predictor", "k", "n", "speakers"]


@pytest.mark.workflow
def test_it_gives_the_rows_of_the_workflow(checkout: Checkout):
    rng = np.random.default_rng(1)
    steps = rng.normal(size=(24, 30, 3))
    arrays = {f"u{i}": (np.cumsum(x, axis=0) * 0.3 + x).astype(np.float32) for i, x in enumerate(steps)}
    speakers = {name: f"s{i % 9}" for i, name in enumerate(arrays)}
    reach = {"window_frames": 2, "horizons": [1, 3]}
    by_measure = latentdyn.measure(arrays, speakers, 12.5, **reach)

    rows = ["utterance_id,speaker_id,path"]
    for name, x in arrays.items():
        np.save(checkout.folder / f"{name}.npy", x)
        rows.append(f"{name},{speakers[name]},{name}.npy")
    (checkout.folder / "index.csv").write_text("\n".join(rows) + "\n")
    pd.testing.assert_frame_equal(measure_index(checkout.folder / "index.csv", 12.5, **reach), by_measure)

    config = {
        "schema_version": 1,
        "corpora": {
            "mine": {
                "kind": "latents", "index": "index.csv", "frame_rate_hz": 12.5,
                "splits": by_measure.attrs["split_settings"],
            }
        },
        "representations": {"latents": {"kind": "provided"}},
        "predictors": {"line": {"kind": "linear_gaussian", **reach}},
        "tables": {
            "table": {
                "kind": "lagged", "corpora": ["mine"], "representations": ["latents"], "surrogates": ["shuffled"],
                "predictors": ["line"], "horizons": [1, 3], "splits": ["eval"],
                "columns": KEYS + COLUMNS,
            }
        },
    }  # fmt: skip
    (checkout.folder / "tiny.yaml").write_text(yaml.safe_dump(config))
    checkout.snakemake("--", "results/mine/tables/table.csv")
    table = pd.read_csv(checkout.folder / "results/mine/tables/table.csv").assign(predictor="linear_gaussian")
    by_workflow = table.set_index(KEYS)[COLUMNS]
    assert len(by_workflow) == 4
    mine = by_measure.set_index(KEYS)[COLUMNS].loc[by_workflow.index]
    np.testing.assert_allclose(mine.astype(float), by_workflow, rtol=0, atol=1e-9)
