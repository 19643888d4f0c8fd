"""Arms of a comparison: trained on from one predictor, beside its ceilings, and re-run when it changes."""

import json

import pandas as pd
import pytest

from .conftest import Checkout, new_checkout

pytestmark = pytest.mark.workflow

BASE, ARM = "mel/net/seed0", "mel/unrolled/seed0"


def with_arms(config: dict) -> None:
    net = config["predictors"]["net"]
    arm = {**net, "starts_from": "net", "horizons": [1]}
    regime = {"kind": "unrolled", "unroll_steps": 3, "grow_steps": 10, "target": "state"}
    config["predictors"] = {
        "net": net,
        "forced": {**arm, "training": {**net["training"], "select": "last"}},
        "unrolled": {**arm, "training": {**net["training"], "select": "last", "regime": regime}},
    }
    rows = {"corpora": ["tiny"], "representations": ["mel"], "predictors": ["net", "forced", "unrolled"]}
    config["tables"] = {
        "injection": {"kind": "injection", **rows},
        "phase4": {"kind": "regimes", "against": "forced", **rows},
    }
    config["injection"] = {"utterances": 3, "segments": 2, "steps": 4, "injected_steps_b": [3], "draws": 2}


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    checkout = new_checkout(tmp_path_factory.mktemp("arms") / "checkout")
    checkout.configure(with_arms)
    checkout.snakemake()
    return checkout


def test_an_arm_is_measured_beside_the_ceilings_of_what_it_started_from(compared):
    handles = {name: json.loads(compared.read(f"mel/{name}/seed0/predictor.json")) for name in ("net", "unrolled")}
    assert handles["unrolled"]["data"]["start"] == handles["net"]["digest"]
    records = pd.read_parquet(compared.folder / "results/tiny/measured/injection/metrics.parquet")
    assert set(zip(records.by, records.regime, strict=True)) == {
        ("net", "teacher_forced"), ("forced", "teacher_forced"), ("unrolled", "unrolled"),
    }  # fmt: skip
    ceilings = records[(records["mode"] == "ceiling") & (records.metric == "dnll") & (records.split == "eval")]
    assert set(ceilings.step.dropna()) == {1, 2}
    assert (ceilings.groupby("step", dropna=False).value.nunique() == 1).all(), "one ceiling for all arms"
    table = pd.read_csv(compared.folder / "results/tiny/tables/phase4.csv")
    assert table.predictor.tolist() == ["net", "forced", "unrolled"]
    assert table.regime.tolist() == ["teacher_forced", "teacher_forced", "unrolled"]


def test_only_what_continues_a_predictor_is_trained_again_with_it(compared):
    def other(predictor: str, **settings):
        def change(config: dict) -> None:
            with_arms(config)
            config["predictors"][predictor]["training"].update(settings)

        compared.configure(change)
        return compared.planned()

    tables = {"collect_metrics": 2, "tabulate_metrics": 2, "plot_metrics": 2}
    assert other("unrolled", learning_rate=1e-4) == {"train_predictor": 1, "measure_injection": 1, **tables}
    planned = other("net", learning_rate=1e-4)  # all of them, unless the weights turn out the same
    assert planned == {"train_predictor": 3, "measure_injection": 3, **tables}
    compared.configure(with_arms)
    assert compared.planned() == {}
