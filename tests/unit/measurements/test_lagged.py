"""What the lagged measurement adds to the diagnostic's records: facts of the store."""

import math
from types import SimpleNamespace

import pandas as pd
import pytest

from latentdyn.diagnostics.records import record
from latentdyn.measurements.lagged import _rates, _readout_variance
from latentdyn.metrics import DIM, NLL
from latentdyn.reporting.measurements import Measurements
from latentdyn.reporting.published import published

RECORDS = [
    record(NLL, 3.0, 10, split="eval", horizon=1),
    record(DIM, 32.0, 10, split="eval", horizon=1),
    record(DIM, 32.0, 10, split="eval", horizon=2),
]


def test_a_readouts_share_of_the_variance_stands_beside_its_dimension():
    subject = SimpleNamespace(store=SimpleNamespace(handle={"explained_variance": 0.6}))
    found = _readout_variance(subject, RECORDS)
    assert [(r.metric, r.value, r.horizon, r.n, r.unit) for r in found] == [
        ("readout_variance", 0.6, 1, 10, "1"),
        ("readout_variance", 0.6, 2, 10, "1"),
    ]
    assert _readout_variance(SimpleNamespace(store=SimpleNamespace(handle={})), RECORDS) == []


def test_noisy_frames_have_a_rate_at_k_1():
    """NLL less the noise's entropy: here D = 2 and noise of deviation 1, so 2 * 1.4189 nats; 10 frames a second."""
    records = [
        record(NLL, 2.837877 + 2 * math.log(2), 10, split="eval", horizon=1, ci_low=2.837877),
        record(NLL, 9.0, 10, split="eval", horizon=2),
    ]
    store = SimpleNamespace(handle={"noise_deviation": 1.0}, dim=2, frame_rate_hz=10.0)
    (rate,) = _rates(SimpleNamespace(store=store), records)
    assert (rate.metric, rate.unit, rate.horizon, rate.ci_high) == ("rate_kbit_per_s", "kbit/s", 1, None)
    assert [rate.value, rate.ci_low] == pytest.approx([0.02, 0], abs=1e-6)
    for deviation in (None, 0.0):  # no noise, or a dimension without
        store.handle["noise_deviation"] = deviation
        assert _rates(SimpleNamespace(store=store), records) == []


@pytest.mark.parametrize(
    ("lineage", "dim", "expected"),
    [("mimi>pca", 64, 0.791), ("mimi>pca", 32, 0.658), ("mimi>pca", 16, None), ("mimi>sfa", 32, None),
     ("mimi>pca>leaky", 32, None), ("mimi", 64, None), ("soundstream>pooled>pca", 32, None)],
)  # fmt: skip
def test_the_published_share_stands_beside_the_published_pca_alone(lineage, dim, expected):
    values = {"dim": dim, "frame_rate_hz": 12.5}
    rows = [
        {
            "metric": name,
            "value": float(value),
            "n": 1,
            "regime": "teacher_forced",
            "seed": 0,
            "slice": "all",
            "status": "ok",
        }
        for name, value in values.items()
    ]
    here = Measurements(pd.DataFrame(rows), pd.DataFrame(), {})
    found = published(here, "readout_variance", lineage=lineage, by="mdn", split="eval", horizon=1)
    assert found == expected
