"""The table of trade-offs: every column from its own measurement, what cannot be heard, published rows."""

from dataclasses import replace

import pandas as pd
import pytest

from latentdyn.errors import UserError
from latentdyn.reporting.views.tradeoff import draw, tabulate

from .everything import everything, plan_of, table_of

TABLE, PLAN = table_of("tradeoff"), plan_of()
# a column, and the measurement, metric and mode that it shows
SHOWS = {
    "dnll": ("lagged", "dnll", None), "level_gain": ("lagged", "level_gain", None),
    "cosine": ("lagged", "cosine", None),
    "cosine_white_noise": ("lagged", "cosine_white_noise", None),
    "predictive_information": ("geometry", "predictive_information", None),
    "participation_ratio": ("geometry", "participation_ratio", None),
    "forecast_cosine": ("corrections", "cosine", "D"), "ceiling_cosine": ("corrections", "cosine", "ceiling"),
    "skill": ("corrections", "skill", "D"), "state_error": ("corrections", "state_error", "D"),
    "state_error_normalised": ("corrections", "state_error_normalised", "D"),
    "frechet_latents": ("free_runs", "frechet_latents", "sampled"),
    "frechet_latents_data": ("free_runs", "frechet_latents", "data"),
    "frechet_deltas": ("free_runs", "frechet_deltas", "sampled"),
    "frechet_deltas_data": ("free_runs", "frechet_deltas", "data"),
    "energy": ("free_runs", "energy", "sampled"), "unbounded": ("free_runs", "unbounded", "sampled"),
    "pesq": ("decoder_tolerance", "pesq", "noisy"), "pesq_codec": ("decoder_tolerance", "pesq", "reconstruction"),
}  # fmt: skip


def beside(measured, **changes):
    """The measurements, and those of `q` beside `r`, which differ in these values."""
    more = measured.records.assign(representation="q", by=measured.records["by"].replace("r", "q"))
    for metric, value in changes.items():
        more.loc[more["metric"] == metric, "value"] = value
    sums = measured.speakers.assign(representation="q")
    return replace(measured, records=pd.concat([measured.records, more]), speakers=pd.concat([measured.speakers, sums]))


def plan_beside(**more):
    kinds = {**PLAN["kinds"], "representations": {"r": "mimi", "q": "mimi>pca"}}
    return {**PLAN, "rows": ["r", "q"], "kinds": kinds, **more}


def test_a_column_shows_its_own_measurement():
    """Each place has a number of its own, at steps and in other rows another one."""
    measured = everything()
    records = measured.records.copy()
    for i, (measurement, metric, mode) in enumerate(SHOWS.values()):
        here = (records["metric"] == metric) & (records["mode"] == mode if mode else records["mode"].isna())
        if measurement == "corrections":  # everything() has these records of both kinds
            here &= records["step"].isna() & records["measurement"].isin(["injection", "corrections"])
        elif measurement == "free_runs":  # here both kinds have these modes
            here &= records["step"].isna()
        else:
            here &= records["measurement"] == measurement
        records.loc[here, "value"] = float(i)
    records.loc[records["step"].notna(), "value"] = 99.0
    shifted = records["by"].isin(["q", "p__unconditional"])
    records.loc[shifted, "value"] += 50
    row = tabulate(replace(measured, records=records), TABLE, PLAN).rows.iloc[0]
    assert {column: row[column] for column in SHOWS} == {column: float(i) for i, column in enumerate(SHOWS)}
    assert (row["n"], row["dim"], row["ms_per_step"], row["frame_rate_hz"]) == (10, 512, 80, 12.5)


def test_a_gain_is_less_that_of_the_density_without_context_and_also_a_dimension():
    measured = everything()
    speakers = measured.speakers.copy()
    speakers.loc[(speakers["by"] == "p__unconditional") & (speakers["metric"] == "nll"), "total"] += 256 * 10
    row = tabulate(replace(measured, speakers=speakers), TABLE, PLAN).rows.iloc[0]
    assert row["context_gain"] == -256 and row["context_gain_per_dim"] == -0.5


def test_what_has_no_way_back_is_blank_and_says_why():
    measured = beside(everything())
    unheard = (measured.records["measurement"] == "decoder_tolerance") & (measured.records["representation"] == "q")
    measured = replace(measured, records=measured.records[~unheard])
    sheet = tabulate(measured, TABLE, plan_beside(unheard={"q": "outliers"}))
    assert sheet.rows["pesq"].tolist()[:1] == [0.5] and sheet.rows["pesq"].isna().tolist()[1:2] == [True]
    assert any("`q` (its link `outliers`)" in note for note in sheet.notes)
    with pytest.raises(UserError, match="representation = q, measurement = decoder_tolerance"):
        tabulate(measured, TABLE, plan_beside())


def test_only_what_a_table_asks_for_is_shown():
    sheet = tabulate(everything(), {**TABLE, "groups": []}, PLAN)
    measured = sheet.rows[sheet.rows["origin"] == "measured"].dropna(axis="columns")
    assert {"dnll", "context_gain", "cosine"} <= {*measured} and not {"pesq", "state_error", "energy"} & {*measured}
    assert "pesq" not in " ".join(sheet.notes) and "skill" not in " ".join(sheet.notes)
    assert draw(everything(), {**TABLE, "groups": []}, PLAN).axes[0].get_xlabel() == "dimensions"


@pytest.mark.parametrize(("rate", "told"), [(12.5, False), (50.0, True)])
def test_other_frame_rates_are_told(rate, told):
    sheet = tabulate(beside(everything(), frame_rate_hz=rate), TABLE, plan_beside())
    assert sheet.rows["ms_per_step"].tolist()[:2] == [80.0, 1000 / rate]
    assert any("frames last 20 or 80 ms" in note for note in sheet.notes) == told


def test_published_rows_stand_below_and_say_what_they_are_of():
    rows = tabulate(everything(), TABLE, PLAN).rows
    last = rows[rows["origin"] == "published"]
    assert rows["origin"].tolist() == ["measured", *["published"] * 5]
    shown = last[["lineage", "dim", "dnll", "cosine", "forecast_cosine", "state_error"]].to_numpy().tolist()
    assert shown == [
        ["mimi", 512, -184.4, 0.606, 0.068, 79.1],
        ["encodec>pooled", 128, -93.6, 0.569, 0.093, 13.9],
        ["mimi", 512, -176.9, 0.606, 0.069, 78.8],
        ["mimi>pca", 64, -26.7, 0.645, 0.097, 53.1],
        ["mimi>pca", 32, -14.7, 0.708, 0.099, 47.9],
    ]
    assert last["pesq"].isna().all() and last["source"].str.startswith("seed 003").all()


def test_a_point_is_a_representation_with_its_intervals_as_bars():
    measured = beside(everything(), pesq=3.0, state_error_normalised=0.25)
    records = measured.records.copy()
    heard = (records["metric"] == "pesq") & (records["representation"] == "q")
    records.loc[heard, ["ci_low", "ci_high"]] = [2.5, 3.5]
    quality, error = draw(replace(measured, records=records), TABLE, plan_beside()).axes
    places = {
        panel: {
            line.get_label(): list(line.get_xdata()) for line in panel.lines if not line.get_label().startswith("_")
        }
        for panel in (quality, error)
    }
    assert places == {quality: {"r": [0.5], "q": [3.0]}, error: {"r": [0.5], "q": [0.25]}}
    assert [2.5, 3.5] in [list(line.get_xdata()) for line in quality.lines]
