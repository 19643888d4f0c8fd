"""What the lagged measurement adds to the diagnostic's records: facts of the store."""

from types import SimpleNamespace

import pandas as pd
import pytest

from latentdyn.diagnostics.records import record
from latentdyn.measurements.lagged import _readout_variance
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
