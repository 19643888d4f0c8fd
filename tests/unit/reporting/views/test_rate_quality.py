"""The figure of rate against quality: curves over the rate, points of quantizers, a level."""

from latentdyn.metrics import PESQ, RATE_KBIT_PER_S, RATE_MEMORYLESS
from latentdyn.reporting.views.rate_quality import draw, tabulate
from tests.unit.reporting.views.test_plain import PLAN, SHOWN, TABLE, here, measured


def test_scores_run_over_the_rate_of_each_coder():
    found = [("b", here(PESQ, 3.5, mode="reconstruction")), ("a", here(PESQ, 2.3, mode="quantizer"))]
    found.append(("a", here(RATE_KBIT_PER_S, 3.2, mode="quantizer")))
    for sigma, pesq, rate, alone in ((0.7, 1.8, 2.0, 2.2), (0.1, 3.4, 9.3, 9.9)):
        place = {"mode": "noisy", "sigma": sigma}
        values = {PESQ: pesq, RATE_KBIT_PER_S: rate, RATE_MEMORYLESS: alone}
        found += [("b", here(metric, value, **place)) for metric, value in values.items()]
        found.append(("b", here(PESQ, pesq + 0.5, mode="shaped", sigma=sigma)))
        found.append(("b", here(RATE_KBIT_PER_S, rate, mode="shaped", sigma=sigma)))
    whole = measured(*((of, of, 0, record) for of, record in found))
    whole.records["measurement"] = "rate_quality"
    plan = {**PLAN, "shown": {**SHOWN, "axis": None}}
    assert tabulate(whole, TABLE, plan).rows["rate_kbit_per_s"].dropna().tolist() == [2.0, 2.0, 9.3, 9.3, 3.2]
    (panel,) = draw(whole, TABLE, plan).axes
    lines = {line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in panel.lines}
    assert lines["b, past"] == ([9.3, 2.0], [3.4, 1.8]) and lines["b, memoryless"] == ([9.9, 2.2], [3.4, 1.8])
    assert lines["b, shaped noise, past"] == ([9.3, 2.0], [3.9, 2.3])
    assert lines["a, quantizer"] == ([3.2], [2.3]) and lines["reconstruction"][1] == [3.5, 3.5]
    assert len(lines) == 6
