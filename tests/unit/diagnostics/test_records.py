"""Records and sums in files that say what they are of: what is written is read, and every number has its own field."""

import json

import pandas as pd
import pytest

from latentdyn.diagnostics.records import (
    IDENTITY,
    RECORDS,
    SUMS,
    WORST_FRAMES,
    Identity,
    read_metrics,
    read_sums,
    record,
    write_metrics,
    write_sums,
)
from latentdyn.files import read_json
from latentdyn.metrics import COSINE, DENOISING_LOSS, DNLL, VARIANCE_RATIO

WHO = Identity("corrections", "c", "r", "p", "unrolled", 3)


def test_a_record_takes_its_unit_from_the_list_of_metrics():
    assert record(DNLL, -1.0, 5, split="eval").unit == "nats/frame"
    counted = record(DNLL.part("nonfinite"), 2, 5, split="eval")
    assert (counted.metric, counted.unit, counted.value) == ("dnll_nonfinite", "frames", 2.0)


def test_numbers_that_say_where_a_value_is_of_come_back_as_numbers(tmp_path):
    records = [
        record(COSINE, 0.5, 7, split="eval", step=2, mode="D", correction="langevin", langevin_steps=3, sigma=0.1),
        record(VARIANCE_RATIO, 0.9, 7, split="eval", horizon=1, clusters=64),
        record(DENOISING_LOSS, 0.4, 7, split="train", sigma=0.25),
    ]
    worst = [{"split": "eval", "horizon": 1, "utterance_id": "u", "t": 3, "time_s": 0.24, "nll": 9.0, "dnll": None,
              "delta_norm": 1.5}]  # fmt: skip
    write_metrics(tmp_path / "m.json", WHO, records, worst)
    table, frames, sums = read_metrics(tmp_path / "m.json")
    assert table.dtypes.astype(str).to_dict() == RECORDS
    assert table[list(IDENTITY)].drop_duplicates().values.tolist() == [list(vars(WHO).values())]
    places = table[["step", "mode", "clusters", "correction", "langevin_steps", "sigma"]].astype(object)
    assert places.where(places.notna(), None).values.tolist() == [
        [2, "D", None, "langevin", 3, 0.1], [None, None, 64, None, None, None], [None, None, None, None, None, 0.25],
    ]  # fmt: skip
    assert tuple(frames) == WORST_FRAMES and frames.by.tolist() == ["p"] and frames.t.tolist() == [3]
    assert sums is None


def test_a_file_says_what_it_is_of(tmp_path):
    write_metrics(tmp_path / "m.json", WHO, [])
    content = json.loads((tmp_path / "m.json").read_text())
    assert content["identity"] == vars(WHO) and Identity(**content["identity"]) == WHO
    table, frames, _ = read_metrics(tmp_path / "m.json")
    assert list(table) == list(RECORDS) and table.empty and tuple(frames) == WORST_FRAMES and frames.empty
    write_metrics(tmp_path / "m.json", WHO, [], data={"latents": "x"}, sums="y")
    assert read_metrics(tmp_path / "m.json").sums == "y"
    assert read_json(tmp_path / "m.json", made_by="x")["data"] == {"latents": "x"}


def test_sums_have_the_same_columns_wherever_they_are_of(tmp_path):
    lagged = {"split": "eval", "slice": "all", "horizon": 2, "metric": "nll", "speaker_id": "s1", "total": 1.5, "n": 4}
    forecast = {"split": "eval", "slice": "all", "mode": "D", "step": None, "metric": "nll", "speaker_id": "s1",
                "total": 2.5, "n": 4}  # fmt: skip
    for name, row in (("a", lagged), ("b", forecast)):
        write_sums(tmp_path / name, WHO, pd.DataFrame([row]))
    a, b = (read_sums(tmp_path / name) for name in "ab")
    assert a.dtypes.astype(str).to_dict() == SUMS == b.dtypes.astype(str).to_dict()
    assert (a.horizon[0], a.total[0], a.regime[0]) == (2, 1.5, "unrolled")
    assert a[["mode", "step", "sigma"]].isna().all(axis=None) and b[["horizon", "step"]].isna().all(axis=None)
    assert b["mode"][0] == "D"


def test_a_field_that_records_do_not_have_is_refused():
    with pytest.raises(TypeError, match="langevin"):
        record(DNLL, 1.0, 1, split="eval", langevin=3)
