"""What follows from the tables: measurements, surrogates, predictors without a context."""

import re
from typing import Any

import pytest

from latentdyn.config import Config, load_config
from latentdyn.config.measurements.state_information import StateInformation

from .examples import ARM, ARMS, CORRECTED, GATED, SMALL, TRADEOFF, edited, refusal

NONE = {"kind": "none"}


def measured(config: Config, table: str, kind: str) -> list[tuple[str, str, int]]:
    """The representation, predictor or key, and seed of a table's measurements of one kind."""
    found = config.tables[table].measurements(config, "speech")
    assert {m.corpus for m in found} <= {"speech"}
    return [(m.representation, m.by, m.seed) for m in found if m.kind == kind]


def test_surrogates_that_tables_ask_for_are_representations():
    config = load_config(SMALL)
    added = {
        name: r.model_dump() for name, r in config.all_representations.items() if name not in SMALL["representations"]
    }
    assert added == {
        f"slow__{method}": {"kind": "surrogate", "source": "slow", "method": method, "dtype": "float32"}
        for method in ("shuffled", "white")
    }
    assert config.tables["phase0"].rows(config) == ["slow", "slow__shuffled", "slow__white"]
    assert config.tables["t"].rows(config) == ["logmel", "slow"]
    assert config.tables["exact"].rows(config) == ["spiky", "var", "cycle"]


@pytest.mark.parametrize(
    ("predictor", "twin"),
    [
        ({"kind": "mdn", "horizons": [4, 1]}, {"kind": "mdn", "horizons": [4], "network": {"kind": "none"}}),
        (
            {"kind": "flow", "network": {"kind": "transformer"}, "context_clip": 5.0, "transforms": 2},
            {"kind": "flow", "network": {"kind": "none"}, "context_clip": 5.0, "transforms": 2, "horizons": [8]},
        ),
        ({"kind": "mdn", "horizons": [1], "target": "level"}, {"kind": "mdn", "horizons": [1], "network": NONE}),
        ({"kind": "flow", "linear_skip": "fixed", "network": NONE}, {"kind": "flow", "horizons": [8], "network": NONE}),
        (
            {"kind": "vmf_lognormal", "linear_skip": "learned"},
            {"kind": "vmf_lognormal", "horizons": [8], "network": NONE},
        ),
        ({"kind": "linear_gaussian"}, {"kind": "gaussian", "covariance": "full", "horizons": [8]}),
        (
            {"kind": "linear_gaussian", "covariance": "diagonal", "window_frames": 3, "horizons": [2]},
            {"kind": "gaussian", "covariance": "diagonal", "window_frames": 3, "horizons": [2]},
        ),
        ({"kind": "ar1"}, {"kind": "gaussian", "covariance": "diagonal", "horizons": [8]}),
        ({"kind": "gaussian", "mean": "zero"}, None),
        ({"kind": "vmf_lognormal", "network": {"kind": "none"}}, None),
    ],
)
def test_beside_a_predictor_stands_the_same_density_without_a_context(predictor: Any, twin: Any):
    config = load_config(edited("predictors.p", predictor))
    assert "p" in config.all_predictors
    assert ("p__unconditional" in config.all_predictors) == (twin is not None)
    if twin:  # and it would be a valid entry by itself
        expected = load_config(edited("predictors.p", twin)).predictors["p"]
        assert config.all_predictors["p__unconditional"] == expected


def test_beside_a_memory_stand_its_two_controls():
    looking = {"kind": "vmf_lognormal", "horizons": [1], "lookup": {"kind": "basis", "n_prototypes": 9}}
    values = edited("predictors.p", looking)
    values["tables"]["memory"] = {"kind": "memory", "corpora": ["speech"], "representations": ["logmel"],
                                  "predictors": ["p"], "seeds": [2]}  # fmt: skip
    config = load_config(values)
    mine, random, widened = (config.all_predictors[name] for name in ("p", "p__random_codes", "p__widened"))
    assert random == mine.model_copy(update={"lookup": mine.lookup.model_copy(update={"codes": "random"})})
    assert widened.lookup is None and widened.match_parameters_of == mine.model_dump(mode="json")
    assert config.all_predictors["p__unconditional"].lookup is None
    assert measured(config, "memory", "lagged") == [
        (row, name, 2) for row in ("logmel", "logmel__looked_up") for name in ("p", "p__widened", "p__random_codes")
    ]


def test_a_predictor_that_matches_another_is_given_its_settings():
    config = load_config(edited("predictors.p", {"kind": "mdn", "match_parameters_of": "net"}))
    assert config.all_predictors["p"].match_parameters_of == config.predictors["net"].model_dump(mode="json")
    assert config.all_predictors["p__unconditional"].match_parameters_of is None


def test_a_table_of_predictors_is_measured_with_each_and_its_twin_and_a_closed_form_with_one_seed():
    config = load_config(edited("tables.t", SMALL["tables"]["t"] | {"surrogates": ["white"], "seeds": [3, 5]}))
    of_a_row = [("line", 3), ("line__unconditional", 3), ("net", 3), ("net", 5), ("net__unconditional", 3),
                ("net__unconditional", 5)]  # fmt: skip
    assert measured(config, "t", "lagged") == [
        (row, *who) for row in ("logmel", "logmel__white", "slow", "slow__white") for who in of_a_row
    ]
    assert measured(config, "t", "clusters") == []


def test_a_predictor_without_context_has_no_twin_to_be_measured_with():
    values = edited("predictors.base", {"kind": "gaussian"})
    values["tables"]["t"] |= {"representations": ["slow"], "predictors": ["base"], "seeds": [7]}
    config = load_config(values)
    assert measured(config, "t", "lagged") == [("slow", "base", 7)]


def test_a_correction_is_trained_alike_however_it_is_applied():
    values = edited("corrections", {"a": {"sigmas": [0.2], "step_size": 0.1, "n_steps": [3, 1]}, "b": {}})
    values["tables"]["corrected"] = CORRECTED | {"correction": "a", "surrogates": ["white"], "seeds": [4, 5]}
    config = load_config(values)
    a, b = config.corrections.values()
    assert a.score_model() == b.score_model()
    assert set(a.score_model()) == {"network", "sigma_min", "sigma_max", "training"}
    assert a.sampling() == {"sigmas": [0.2], "step_size": 0.1, "n_steps": [1, 3]}
    assert measured(config, "corrected", "corrections") == [("logmel", "line", 4), ("logmel__white", "line", 4)]
    assert measured(config, "corrected", "lagged") == []


def test_a_control_is_trained_by_teacher_forcing():
    values = edited("predictors.net.training", {"regime": {"kind": "unrolled"}})
    values["tables"]["arms"] = ARMS
    assert measured(load_config(values), "arms", "injection")
    values["tables"]["arms"] = ARMS | {"against": "net"}
    assert re.search(r"tables\.arms\.against: 'net' is trained by unrolled, a control by", refusal(values))


def test_regimes_are_measured_with_forecasts_and_gates_with_evaluations_too():
    values = edited("tables.arms", ARMS | {"seeds": [3, 5], "surrogates": ["white"]})
    values["tables"]["gated"] = GATED | {"seeds": [3, 5]}
    config = load_config(values)
    runs = [("line", 3), ("net", 3), ("net", 5)]  # a closed form with one seed
    assert measured(config, "arms", "injection") == [(row, *who) for row in ("logmel", "logmel__white") for who in runs]
    assert measured(config, "arms", "lagged") == []
    assert (
        measured(config, "gated", "injection")
        == measured(config, "gated", "lagged")
        == [("logmel", *who) for who in runs]
    )  # and no twins
    besides = {"groups": ["free_runs", "archetypes", "perception"], "correction": "c"}
    config = load_config(values | {"tables": {"gated": GATED | besides}, "corrections": {"c": {}}})
    both = [("logmel", "line", 0), ("logmel", "net", 0)]
    assert measured(config, "gated", "free_runs") == measured(config, "gated", "corrections") == both
    for kind in ("archetypes", "decoder_tolerance"):
        assert measured(config, "gated", kind) == [("logmel", "logmel", 0)]


def test_trade_offs_are_measured_with_what_they_ask_for_and_what_can_be_heard():
    rows = {"surrogates": ["white"], "predictors": ["line"]}
    values = edited("tables.plain", TRADEOFF | rows)
    values["tables"]["heard"] = TRADEOFF | rows | {"groups": ["perception"]}
    config = load_config(values)
    both = ("logmel", "logmel__white")
    scored = [(row, name, 0) for row in both for name in ("line", "line__unconditional")]
    assert measured(config, "plain", "lagged") == measured(config, "heard", "lagged") == scored
    for kind in ("injection", "free_runs"):
        assert measured(config, "plain", kind) == [(row, "line", 0) for row in both]
    assert measured(config, "plain", "geometry") == [(row, row, 0) for row in both]
    assert measured(config, "plain", "decoder_tolerance") == [], "it needs an optional package"
    assert measured(config, "heard", "decoder_tolerance") == [("logmel", "logmel", 0)]
    assert {m.kind for m in config.tables["heard"].measurements(config, "speech")} == {"lagged", "decoder_tolerance"}
    assert config.tables["heard"].plan(config, "speech")["unheard"] == {"logmel__white": "surrogate"}


def test_a_clustering_table_is_measured_with_keys_and_predictors_on_every_row():
    config = load_config(SMALL)
    rows = ("slow", "slow__shuffled", "slow__white")
    assert measured(config, "phase0", "clusters") == [(row, key, 0) for row in rows for key in ("pool", "axes")]
    assert measured(config, "phase0", "lagged") == [
        (row, predictor, 0) for row in rows for predictor in ("line", "line__unconditional")
    ]


def test_a_calibration_is_measured_as_its_mappings_say():
    config = load_config(edited("tables.exact.keys", {"cycle": ["axes", "pool"]}))
    assert measured(config, "exact", "lagged") == [
        (row, predictor, 0) for row in ("spiky", "var") for predictor in ("line", "line__unconditional")
    ]
    assert measured(config, "exact", "clusters") == [("cycle", "axes", 0), ("cycle", "pool", 0)]
    config = load_config(edited("tables.exact.judged", ["var"]))
    assert measured(config, "exact", "learned") == [("var", "var", 0)]
    config = load_config(edited("tables.exact.state_information", ["var"]))
    assert measured(config, "exact", "state_information") == [("var", "var", 0)]
    config = load_config(edited("tables.exact.readouts", ["var"]))
    assert measured(config, "exact", "readouts") == [("var", "var", 0)]


def test_factorizers_are_measured_in_the_frames_of_their_source():
    values = edited("representations.hidden", {"kind": "state_space"})
    values["representations"]["z"] = {"kind": "factorizer", "source": "hidden", "dim": 4}
    values["tables"]["exact"]["factorizers"] = {"hidden": "z"}
    values["tables"]["health"] = {"kind": "factorizer_health", "corpora": ["known"], "representations": ["z"]}
    values["tables"]["runs"] = {
        "kind": "state_generation", "corpora": ["known"], "representations": ["z"], "predictors": ["line"],
    }  # fmt: skip
    config = load_config(values)
    for table in ("exact", "health"):
        (found,) = (m for m in config.tables[table].measurements(config, "known") if m.kind == "factorizer")
        assert (found.representation, found.variant, found.metrics) == ("z", "hidden", "factorizer_hidden.json")
    (found,) = config.tables["runs"].measurements(config, "known")
    assert (found.by, found.variant, found.metrics) == ("line", "hidden", "state_generation_hidden.json")


def test_the_way_back_of_a_factorizer_is_not_what_its_model_is_trained_with():
    values = edited("representations.hidden", {"kind": "state_space"})
    ways = {name: {"way_back": {"kind": name}} for name in ("mean", "prior", "flow")}
    for name, way in ways.items():
        values["representations"][name] = {"kind": "factorizer", "source": "hidden", "dim": 4, **way}
    config = load_config(values)
    trained = [config.representations[name].model_settings() for name in ways]
    assert trained[0] == trained[1] == trained[2] and "way_back" not in trained[0]


def test_a_predictor_that_starts_from_another_keeps_its_origin_and_names_its_regime():
    training = {"regime": {"kind": "unrolled"}}
    values = edited("predictors.arm", ARM | {"log_sigma_max": 0.7, "context_clip": 5.0, "training": training})
    values["predictors"]["second"] = {**values["predictors"]["arm"], "starts_from": "arm"}
    values["tables"]["forecasts"] = {
        "kind": "injection", "corpora": ["speech"], "representations": ["logmel"], "predictors": ["net", "second"],
    }  # fmt: skip
    config = load_config(values)
    assert [config.origin(name) for name in ("net", "arm", "second", "line")] == ["net", "net", "net", "line"]
    assert [config.all_predictors[name].regime for name in ("net", "arm", "line")] == [
        "teacher_forced", "unrolled", "teacher_forced",
    ]  # fmt: skip
    twin = config.all_predictors["arm__unconditional"]
    assert twin.regime == "teacher_forced" and twin.starts_from is None, "without a context there is none to generate"


def test_arms_say_which_tricks_their_training_and_the_one_before_used():
    noisy = {"regime": {"kind": "noisy_context", "max_noise": 0.3, "clean_frames": 2}}
    values = edited("predictors.net.training", noisy)
    values["predictors"]["arm"] = {**values["predictors"]["net"], "starts_from": "net", "horizons": [1],
                                   "training": {"regime": {"kind": "unrolled"}}}  # fmt: skip
    values["predictors"]["plain"] = {**values["predictors"]["net"], "training": {}, "horizons": [1]}
    values["free_runs"] = {"temperature": 0.8}
    table = {"kind": "calm_arm", "corpora": ["speech"], "representations": ["logmel"]}
    values["tables"]["parts"] = table | {"predictors": ["arm"]}
    values["tables"]["others"] = table | {"predictors": ["plain"]}
    config = load_config(values)
    (arm,) = config.tables["parts"].plan(config, "speech")["arms"].values()
    (plain,) = config.tables["others"].plan(config, "speech")["arms"].values()
    names = ("context_noise", "clean_frames", "rollout_training", "temperature", "reads")
    assert [arm[name] for name in names] == [0.3, 2, "yes", 0.8, "window"]
    assert [plain[name] for name in names] == [0.0, 0, "no", 0.8, "window"]


def test_what_a_generated_frame_costs_is_measured_once_for_each_arm_and_seed():
    values = edited("tables.parts", {"kind": "calm_arm", "corpora": ["speech"], "representations": ["logmel"],
                                     "predictors": ["net", "line"], "seeds": [0, 1]})  # fmt: skip
    config = load_config(values)
    expected = [("logmel", "net", 0), ("logmel", "net", 1), ("logmel", "line", 0)]
    assert measured(config, "parts", "generation_cost") == expected
    assert {"lagged", "injection", "free_runs"} < {
        m.kind for m in config.tables["parts"].measurements(config, "speech")
    }


@pytest.mark.parametrize("kind", ["lagged", "outlier_audit", "paired"])
def test_a_table_of_what_another_corpus_was_fitted_to(kind: str):
    values = edited("corpora.other", {"kind": "folder", "root": "other"})
    values["tables"] = {
        "across": {"kind": kind, "corpora": ["speech"], "representations": ["slow"], "surrogates": ["shuffled"],
                   "predictors": ["line"], "fitted_on": "other"}
    }  # fmt: skip
    config = load_config(values)
    found = config.tables["across"].measurements(config, "speech")
    assert {(m.kind, m.corpus, m.fitted_on, m.metrics, m.sums) for m in found} == {
        ("transfer", "speech", "other", "fitted_on_other_metrics.json", "fitted_on_other_speakers.parquet")
    }
    assert [(m.representation, m.by) for m in found] == [
        (row, by) for row in ("slow", "slow__shuffled") for by in ("line", "line__unconditional")
    ]
    transfer = config.measurement_kind("transfer")
    (model,) = transfer.models(config, "line", "other").values()
    assert (model.name, model.fitted_on) == ("line", "other")
    evaluation = config.evaluation.model_dump(mode="json")
    for by, own in (("line", True), ("line__unconditional", False)):
        assert transfer.settings(config, by, "other") == {**evaluation, "own_frames": own}
    own = config.measurement_kind("lagged").of(config, "speech", "slow", "line", 0)
    assert own.fitted_on == own.identity()["fitted_on"] == "speech" and own.metrics == "metrics.json"


def test_a_density_without_a_context_has_own_frames_measured_where_a_table_asks_for_it():
    values = edited("predictors.still", {"kind": "gaussian", "mean": "zero"})
    config = load_config(values)
    lagged = config.measurement_kind("lagged")
    own = {by: lagged.settings(config, by, None)["own_frames"] for by in ("line", "line__unconditional", "still")}
    assert own == {"line": True, "line__unconditional": False, "still": True}


def test_the_code_that_solves_a_line_counts_for_the_predictors_that_start_from_one():
    def fitted_by(**changes: Any) -> list[str]:
        return load_config(edited("predictors.p", {"kind": "mdn", **changes})).predictors["p"].fitted_by

    assert fitted_by() == ["latentdyn.predictors.mdn"]
    assert fitted_by(linear_skip="fixed") == ["latentdyn.predictors.mdn", "latentdyn.predictors.linear_gaussian"]


def test_how_a_metric_is_found_counts_for_the_beta_vaes_that_have_one():
    def fitted_by(**reconstruction: Any) -> list[str]:
        values = edited("representations.codec", {"kind": "soundstream", "folder": "weights"})
        vae = {"kind": "vae", "source": "codec", "dim": 2, "objective": {"reconstruction": reconstruction}}
        values["representations"]["v"] = vae
        return load_config(values).representations["v"].fitted_by

    assert fitted_by(kind="frames") == fitted_by(kind="waveform") == ["latentdyn.models.vae.fitting"]
    assert fitted_by(kind="mel_metric") == ["latentdyn.models.vae.fitting", "latentdyn.models.vae.mel_metric"]


def test_a_network_is_asked_of_states_where_a_table_says_so_and_lines_are_measured_as_without_it():
    values = edited("representations.narrow", {"kind": "pca", "source": "logmel", "dim": 8})
    table = {"kind": "learned", "corpora": ["speech"], "reference": "logmel", "representations": ["narrow"]}
    values["tables"] = {"plain": table, "more": {**table, "groups": ["state_information"]}}
    config = load_config(values)
    assert measured(config, "more", "state_information") == [("logmel", "logmel", 0), ("narrow", "narrow", 0)]
    assert measured(config, "more", "learned") == measured(config, "plain", "learned")
    own = config.section(StateInformation)
    given = own.settings(config, "narrow", "logmel")
    assert given["ridges"] == config.learned.ridges and given["window_frames"] == config.learned.window_frames
    assert given.keys() - own.model_dump().keys() == {
        "ridges", "window_frames", "information_horizons", "max_frames", "bootstrap_resamples"
    }  # fmt: skip


def test_a_judged_table_begins_with_its_reference_and_hears_what_leads_back():
    values = edited("representations.states", {"kind": "random_gru", "source": "logmel", "dim": 3})
    values["representations"]["narrow"] = {"kind": "pca", "source": "logmel", "dim": 8}
    values["tables"] = {
        "judged": {"kind": "learned", "corpora": ["speech"], "reference": "logmel", "groups": ["perception"],
                   "representations": ["narrow", "logmel", "states"]}
    }  # fmt: skip
    config = load_config(values)
    rows = ["logmel", "narrow", "states"]
    assert measured(config, "judged", "learned") == measured(config, "judged", "geometry") == [(r, r, 0) for r in rows]
    assert measured(config, "judged", "decoder_tolerance") == [(r, r, 0) for r in rows[:2]]
    files = {(m.metrics, m.sums, m.variant) for m in config.tables["judged"].measurements(config, "speech")}
    assert ("learned_logmel.json", "learned_logmel_speakers.parquet", "logmel") in files
    assert not measured(config, "judged", "state_information")
    plan = config.tables["judged"].plan(config, "speech")
    assert plan["unheard"] == {"states": "random_gru"} and plan["window_frames"] == config.learned.window_frames


@pytest.mark.parametrize(
    ("objective", "words"),
    [
        ({}, "frames"),
        ({"terms": [{"kind": "smooth", "weight": 0.1}, {"kind": "predict", "weight": 0.1}]}, "smooth, predict"),
        ({"terms": [{"kind": "decoded_prediction", "weight": 0.3}]}, "decoded_prediction"),
        ({"prior": {"kind": "autoregressive"}}, "autoregressive"),
    ],
)
def test_a_judged_table_says_what_trained_rows_are_trained_for(objective, words):
    values = edited("representations.own", {"kind": "vae", "source": "logmel", "dim": 3, "objective": objective})
    values["representations"]["narrow"] = {"kind": "pca", "source": "logmel", "dim": 8}
    values["tables"] = {
        "judged": {
            "kind": "learned",
            "corpora": ["speech"],
            "reference": "logmel",
            "representations": ["narrow", "own"],
        }
    }
    plan = load_config(values).tables["judged"].plan(load_config(values), "speech")
    assert plan["objectives"] == {"logmel": "", "narrow": "", "own": words}
