"""The files of config/ are valid, say what they seem to say, and go beside each other."""

import re
from typing import get_args

import pytest

from latentdyn.config import check_files, load_config
from latentdyn.config.kinds import kinds_of
from latentdyn.config.representations import Process
from latentdyn.reporting.published import ENTRIES

from .examples import FOLDER, OVERLAYS, merged, read


@pytest.mark.parametrize("name", OVERLAYS)
def test_a_shipped_file_is_valid_and_asks_for_tables(name: str):
    assert merged(name).tables


def test_what_every_run_starts_from_asks_for_nothing():
    config = merged()
    assert config.predictors and not config.tables


@pytest.mark.parametrize("name", ["config", *OVERLAYS])
def test_a_shipped_file_names_each_key_once(name: str):
    check_files([FOLDER / f"{name}.yaml"])


@pytest.mark.parametrize("name", OVERLAYS)
def test_an_entry_of_a_shipped_file_is_what_the_file_says(name: str):
    base, overlay = read("config"), read(name)
    for section in overlay.keys() - {"schema_version"}:
        base[section] = base.get(section, {}) | overlay[section]  # whole entries, where Snakemake merges keys
    assert load_config(base) == merged(name), "a key of config.yaml shines through"


@pytest.mark.parametrize("name", OVERLAYS)
def test_every_corpus_of_a_shipped_file_is_in_a_table(name: str):
    config = merged(name)
    assert {corpus for table in config.tables.values() for corpus in table.corpora} == set(config.corpora)


@pytest.mark.parametrize("name", sorted({*OVERLAYS} - {"calibration"}))
def test_the_calibration_goes_beside_every_other_file(name: str):
    alone, both = merged(name), merged(name, "calibration")
    for section in ("corpora", "representations", "predictors", "keys", "corrections", "tables"):
        entries, of_calibration = getattr(both, section), read("calibration").get(section, {})
        assert entries.keys() == getattr(alone, section).keys() | of_calibration
        assert {key: entries[key] for key in getattr(alone, section)} == getattr(alone, section)
    assert (both.evaluation, both.clustering) == (alone.evaluation, alone.clustering)


def test_the_calibration_covers_every_kind_of_process():
    config = merged("calibration")
    measured = {config.representations[name].kind for name in config.tables["calibration"].rows(config)}
    assert measured == {get_args(kind.model_fields["kind"].annotation)[0] for kind in kinds_of(Process)} | {"outliers"}


def test_the_paper_is_configured_as_it_was_published():
    config = merged("librispeech100")
    mdn = config.predictors["mdn"].model_dump()
    training = mdn.pop("training")
    # seed 001, Appendix B
    assert (mdn["window_frames"], mdn["horizons"], mdn["n_components"]) == (8, [1, 2, 4, 8], 8)
    assert (mdn["components"], mdn["target_axes"]) == ("gaussian", "natural")
    assert mdn["network"] == {"kind": "mlp", "layers": 2, "width": 1024, "dropout": 0}
    assert (mdn["context_normalisation"], mdn["context_clip"]) == ("standard", None)
    assert (training["steps"], training["batch_size"]) == (25_000, 256)
    assert (training["learning_rate"], training["weight_decay"], training["gradient_clip_norm"]) == (1e-3, 1e-4, 1)
    assert config.tables["phase1_lagged"].seeds == [0, 1, 2]


def test_every_published_value_has_a_row_of_the_paper_to_stand_in():
    config = merged("librispeech100")
    corpus = config.corpora["librispeech100"]
    shapes = {name: made.shape(config, corpus) for name, made in config.all_representations.items()}
    kinds = {name: by.kind for name, by in (config.all_predictors | config.keys).items()}
    measured = {
        (m.kind, config.lineage(m.representation), shapes[m.representation].dim, shapes[m.representation].rate_hz,
         kinds.get(m.by), m.regime)
        for table in config.tables.values() for m in table.measurements(config, "librispeech100")
    }  # fmt: skip
    for entry in ENTRIES:
        wanted = "clusters" if entry.regime == "clustered" else "lagged" if entry.mode is None else "injection"
        assert any(
            kind == wanted and by == entry.by and regime == entry.regime and entry.of.are(lineage, dim, rate)
            for kind, lineage, dim, rate, by, regime in measured
        ), entry


def test_encoders_are_pinned_and_their_rates_match():
    representations = merged("librispeech100").representations
    for name in ("mimi", "mimi_50hz", "encodec", "dac"):
        assert re.fullmatch(r"[0-9a-f]{40}", representations[name].revision)
    for name in ("encodec_12hz", "dac_12hz"):
        assert representations[name].frame_rate_hz == 24_000 / 1920  # Mimi's; 75 Hz / 6, and 50 Hz / 4
