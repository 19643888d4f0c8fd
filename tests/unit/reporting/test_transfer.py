"""Tables of predictors that were fitted to another corpus: every kind of them says so."""

import importlib

import pytest

from latentdyn.config.kinds import kinds_of
from latentdyn.config.tables import TableKind
from latentdyn.families import VIEWS
from latentdyn.reporting.transfer import notes_on_transfer

from ...settings import kind_of
from .views.everything import everything

PLAN = {
    "corpus": "here", "bootstrap_resamples": 50, "rows": ["r"],
    "kinds": {"representations": {"r": "mimi"}, "predictors": {"p": "mdn", "q": "mdn"}, "keys": {}},
}  # fmt: skip


@pytest.mark.parametrize("kind", ["lagged", "outlier_audit", "paired"])
def test_every_such_table_says_where_it_was_fitted(kind):
    names = {"corpora": ["here"], "representations": ["r"], "predictors": ["p", "q"], "horizons": [1]}
    (section,) = (section for section in kinds_of(TableKind) if kind_of(section) == kind)
    table = section.model_construct(kind=kind, **names, splits=["eval"]).model_dump(mode="json")
    tabulate = importlib.import_module(VIEWS.module(kind)).tabulate
    own, across = (tabulate(everything(), {**table, "fitted_on": on}, PLAN) for on in (None, "elsewhere"))
    assert "fitted_on" not in own.rows and set(across.rows["fitted_on"]) == {"elsewhere"}
    assert "elsewhere" not in " ".join([own.caption, *own.notes])
    assert across.notes[0].startswith("**Fitted on corpus `elsewhere`, evaluated on corpus `here`.**")
    assert "here, fitted on elsewhere" in across.caption
    assert across.rows.columns.drop("fitted_on").tolist() == list(own.rows)
    if kind == "lagged":
        assert own.rows["published_dnll"].notna().any() and across.rows["published_dnll"].isna().all()


def test_speakers_that_both_corpora_have_are_told(handmade):
    measured = (
        handmade.add({"speakers_seen": 3.0}, n=12, horizon=None).add({"speakers_seen": 9.0}, split="train").measured
    )
    table = {"fitted_on": "elsewhere", "splits": ["eval"]}
    _, caution = notes_on_transfer(measured, table, PLAN)
    assert "3 of the 12 speakers in eval of `here` have the name of a training or validation speaker of" in caution
    nobody = handmade.__class__().add({"speakers_seen": 0.0}, n=12, horizon=None).measured
    assert len(list(notes_on_transfer(nobody, table, PLAN))) == 1
    assert not list(notes_on_transfer(measured, {**table, "fitted_on": None}, PLAN))
