"""What names stand for, of a small configuration and of every shipped one."""

from latentdyn.config import load_config
from latentdyn.config.meanings import meanings

from .examples import ARM, SMALL, edited


def test_a_name_has_its_kind_and_what_differs_from_the_defaults():
    found = meanings(load_config(SMALL), "speech")
    names, kinds = found["names"], found["kinds"]
    assert list(names) == list(kinds) == ["corpus", "representations", "predictors"]
    assert list(names["corpus"]) == ["speech"]
    kind, settings = names["representations"]["slow"]
    assert kind == "pooled" and settings.startswith("source logmel, ")
    assert names["representations"]["slow__white"] == ["surrogate", "source slow, method white"]
    assert kinds["representations"]["pooled"] == "Another representation, mean-pooled in time to a lower frame rate."
    assert {kind for kind, _ in names["predictors"].values()} <= set(kinds["predictors"])
    assert not any("__" in name for name in names["predictors"])  # twins are named by what they are twins of


def test_settings_inside_settings_have_dotted_paths_and_defaults_are_left_out():
    config = edited("predictors.net", {"kind": "mdn", "network": {"kind": "mlp", "width": 77}, "window_frames": 8})
    settings = meanings(load_config(config), "speech")["names"]["predictors"]["net"][1]
    assert "network.width 77" in settings and "window_frames" not in settings


def test_what_a_training_starts_from_has_an_entry_though_no_table_shows_it():
    config = edited("predictors.arm", ARM)
    config["predictors"]["far"] = {"kind": "mdn", "starts_from": "arm", "horizons": [1]}
    config["tables"] = {"t": {**config["tables"]["t"], "predictors": ["far"], "horizons": [1]}}
    assert list(meanings(load_config(config), "speech")["names"]["predictors"]) == ["far", "arm", "net"]
