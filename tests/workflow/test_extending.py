"""The recipes of docs/extending.md, applied to a copy of the project as they stand there, run and work."""

import json
import math
import re
from typing import Any

import pandas as pd
import pytest
import yaml

from .conftest import ROOT, Checkout

RECIPES = (ROOT / "docs/extending.md").read_text()
CODE = re.findall(r"^`([\w/.]+\.py)`(, at the end)?:\n\n```python\n(.*?)```", RECIPES, re.M | re.S)
SETTINGS = re.findall(r"^```yaml\n(.*?)```", RECIPES, re.M | re.S)


def merge(into: dict[str, Any], more: dict[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            merge(into[key], value)
        else:
            into[key] = value


def apply(checkout: Checkout) -> None:
    for path, appended, code in CODE:
        file = checkout.folder / path
        assert file.exists() == bool(appended), path
        file.write_text(f"{file.read_text()}\n\n{code}" if appended else code)
    checkout.configure(lambda config: [merge(config, yaml.safe_load(text)) for text in SETTINGS])


def test_every_block_of_the_recipes_is_used():
    assert len(CODE) == RECIPES.count("```python") and len(SETTINGS) == RECIPES.count("```yaml")


@pytest.mark.workflow
def test_the_recipes_give_tables(checkout: Checkout):
    apply(checkout)
    checkout.snakemake()
    rank = pd.read_csv(checkout.folder / "results/tiny/tables/rank.csv").set_index("representation").spread_rank
    assert list(rank.index) == ["mel", "even", "samples"] and (rank > 1).all()
    assert rank["samples"] > 30  # of 64: white noise varies in all directions

    rows = pd.read_csv(checkout.folder / "results/tiny/tables/phase1_lagged.csv")
    rows = rows[(rows["split"] == "eval") & (rows["k"] == 1)].set_index("predictor")
    assert list(rows.index) == ["line", "drift", "laplace", "jittered"] and rows.dnll.notna().all()
    assert math.isnan(rows.r2_head["laplace"]) and rows.r2_head.drop("laplace").notna().all()  # it has no such mean
    assert rows.context_gain["drift"] < 0  # these frames do fall back to their mean
    assert rows.published_dnll.to_dict() == pytest.approx(
        {"line": math.nan, "drift": math.nan, "laplace": -1.25, "jittered": math.nan}, nan_ok=True
    )  # it is of a predictor of this kind
    assert json.loads(checkout.read("even/latents.json"))["lineage"][-1]["kind"] == "standardised"
