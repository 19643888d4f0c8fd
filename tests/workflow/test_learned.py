"""A learned representation: its model is trained once, and what only its use depends on trains nothing again."""

import json
import subprocess
import sys

import pandas as pd
import pytest

from .conftest import Checkout, environment, new_checkout

pytestmark = pytest.mark.workflow


def with_vae(config: dict) -> None:
    training = {"steps": 20, "batch_size": 4, "sequence_frames": 6, "validate_every_steps": 10}
    config["representations"]["learned"] = {
        "kind": "vae", "source": "mel", "stack": 2, "dim": 3, "network": {"kind": "mlp", "width": 8, "layers": 1},
        "training": training, "objective": {"terms": [{"kind": "log_det_gain", "weight": 1.0}]},
    }  # fmt: skip
    config["predictors"] = {"line": config["predictors"]["line"]}
    config["tables"]["phase1_lagged"].update(representations=["learned"], predictors=["line"])


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    checkout = new_checkout(tmp_path_factory.mktemp("learned") / "checkout")
    checkout.configure(with_vae)
    checkout.snakemake()
    return checkout


def test_it_is_trained_on_its_source_and_measured_like_any_other(learned):
    store, model, source = (
        json.loads(learned.read(f"{name}.json")) for name in ("learned/latents", "learned/vae", "mel/latents")
    )
    assert (store["dim"], store["frame_rate_hz"], store["n_utterances"]) == (3, 6.25, source["n_utterances"])
    assert model["data"]["latents"] == source["digest"]
    curve = pd.read_parquet(learned.folder / "results/tiny/learned/curve.parquet")
    assert curve.columns.tolist() == ["step", "train_loss", "validation_loss"]
    table = pd.read_csv(learned.folder / "results/tiny/tables/phase1_lagged.csv")
    assert set(table.representation) == {"learned"} and table.dnll.notna().all()
    assert learned.planned() == {}


def with_factorizer(config: dict) -> None:
    with_vae(config)
    training = config["representations"]["learned"]["training"]
    config["representations"]["learned"] = {"kind": "factorizer", "source": "mel", "dim": 3, "training": training}


def test_its_results_are_as_they_were_written(learned):
    """A model of a representation lies beside the store that it makes, not below the one that it was fitted to."""
    verify = [sys.executable, "-m", "latentdyn.steps.verify_results", "results"]
    done = subprocess.run(verify, cwd=learned.folder, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_kind_of_model_has_a_rule_of_its_own(learned):
    learned.configure(with_factorizer)
    planned = learned.planned()
    learned.configure(with_vae)
    assert planned == {"train_factorizer": 1, **AFTER}


AFTER = {"derive_latents": 1, "index_frames": 1, "train_predictor": 2, "measure_lagged": 2, "collect_metrics": 1,
         "tabulate_metrics": 1, "plot_metrics": 1}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "expected"),
    [({"posterior": "sample"}, AFTER), ({"dtype": "float16"}, AFTER), ({"seed": 1}, {"train_vae": 1, **AFTER}),
     ({"objective": {"beta": 0.2}}, {"train_vae": 1, **AFTER}), ({"static_dim": 1}, {"train_vae": 1, **AFTER}),
     ({"static_dim": 0}, {})],
    ids=["posterior", "dtype", "seed", "beta", "static_dim", "no_static_dim"],
)  # fmt: skip
def test_a_change_trains_the_model_again_where_the_model_depends_on_it(learned, change, expected):
    def changed(config: dict) -> None:
        with_vae(config)
        config["representations"]["learned"].update(change)

    learned.configure(changed)
    planned = learned.planned()
    learned.configure(with_vae)
    assert planned == expected


def test_another_way_back_of_a_factorizer_trains_no_model_again(learned):
    learned.configure(with_factorizer)
    learned.snakemake()

    def with_flow(config: dict) -> None:
        with_factorizer(config)
        config["representations"]["learned"]["way_back"] = {"kind": "flow", "steps": 5}
        config["tables"]["generated"] = {
            "kind": "state_generation", "corpora": ["tiny"], "representations": ["learned"], "predictors": ["line"],
        }  # fmt: skip
        config["free_runs"] = {"runs": 4, "steps": 12, "at_steps": [1]}

    learned.configure(with_flow)
    assert learned.planned() == AFTER | {"measure_state_generation": 1, "collect_metrics": 2, "tabulate_metrics": 2,
                                         "plot_metrics": 2}  # fmt: skip
    learned.snakemake()
    table = pd.read_csv(learned.folder / "results/tiny/tables/generated.csv")
    assert {"sampled", "true_states", "data", "marginal"} <= set(table["mode"])
    assert learned.planned() == {}
    learned.configure(with_vae)
    learned.snakemake()
