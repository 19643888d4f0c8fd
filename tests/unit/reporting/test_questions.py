"""What rows reply: by hand, case by case; and that the questions fit the tables that there are."""

import math

import pandas as pd
import pytest

from latentdyn.config.kinds import kinds_of
from latentdyn.config.tables import TableKind
from latentdyn.errors import UserError
from latentdyn.reporting import questions as module
from latentdyn.reporting.criteria import criteria
from latentdyn.reporting.questions import asked
from latentdyn.reporting.replies import replies
from latentdyn.reporting.sheet import Sheet

TOLD = "predictive_information_1"  # compared with another row by two intervals


def lagged(**columns: object) -> Sheet:
    """Rows of a representation, its shuffled surrogate and a second predictor, at k = 1."""
    rows = {"representation": ["x", "x__shuffled", "x"], "predictor": ["p", "p", "q"], "split": "eval", "slice": "all",
            "k": 1, **columns}  # fmt: skip
    return Sheet(pd.DataFrame(rows), [], {"level_gain": 1, "cosine": 2, "context_gain": 1, TOLD: 1})


def said(sheet: Sheet, kind: str = "lagged") -> list[tuple[str, str, str]]:
    return [(reply.row, reply.verdict, reply.text) for reply in replies(kind, sheet)]


def test_a_row_is_compared_with_that_of_frames_in_random_order():
    bounds = {f"{TOLD}_ci_low": [3.5, 2.0, 4.0], f"{TOLD}_ci_high": [4.0, 3.0, 5.0]}
    found = said(lagged(**{TOLD: [3.8, 2.5, 4.5]}, **bounds), "geometry")
    # q has no row of frames in random order, so nothing is asked of it
    assert found == [("x, p", "yes", f"{TOLD} 3.8 [3.5, 4.0] nats/frame, asked: above 2.5 [2.0, 3.0] of x__shuffled")]


@pytest.mark.parametrize(
    ("own", "verdict"),
    [((5.0, 6.0), "yes"), ((2.5, 3.5), "undecided"), ((1.0, 2.6), "undecided"), ((1.0, 1.9), "no"),
     ((math.nan, math.nan), "undecided")],
)  # fmt: skip
def test_two_intervals_decide_where_they_do_not_meet(own, verdict):
    bounds = {f"{TOLD}_ci_{end}": [value, other, math.nan]
              for end, value, other in zip(("low", "high"), own, (2.0, 3.0), strict=True)}  # fmt: skip
    value = 1.5 if math.isnan(own[0]) else sum(own) / 2
    ((_, found, _),) = said(lagged(**{TOLD: [value, 2.5, math.nan]}, **bounds), "geometry")
    assert found == verdict


def test_a_paired_difference_decides_and_rows_without_one_are_not_asked():
    column = "level_gain_over_shuffled"
    values = {column: [-0.4, math.nan, math.nan], f"{column}_ci_low": [-0.6, math.nan, math.nan],
              f"{column}_ci_high": [-0.1, math.nan, math.nan]}  # fmt: skip
    ((row, verdict, text),) = said(lagged(level_gain=[-3.0, -2.6, -4.5], **values))
    assert (row, verdict) == ("x, p", "yes") and text.endswith("asked: below 0; level_gain -3.0 nats/frame")


def test_a_column_is_compared_with_another_one_that_is_exact():
    bounds = {"cosine_ci_low": [0.71, 0.9, 0.5], "cosine_ci_high": [0.8, 0.95, 0.6]}
    found = said(lagged(cosine=[0.75, 0.92, 0.55], cosine_white_noise=0.7, **bounds))
    assert [(row, verdict) for row, verdict, _ in found] == [("x, p", "yes"), ("x, q", "no")]
    assert found[0][2] == "cosine 0.75 [0.71, 0.80], asked: above cosine_white_noise 0.7"


def test_neither_an_overflow_nor_what_is_missing_is_a_yes():
    gains = {
        "context_gain": [math.inf, -1.0, math.nan],
        "k": 2,
        "context_gain_ci_low": -2.0,
        "context_gain_ci_high": -1.0,
    }
    assert [(row, verdict) for row, verdict, _ in said(lagged(**gains))] == [("x, p", "no"), ("x, q", "missing")]


def test_rows_of_other_splits_and_the_first_horizon_are_not_asked():
    gains = {"context_gain": -1.0, "context_gain_ci_low": -2.0, "context_gain_ci_high": -0.5}
    assert said(lagged(**gains)) == []  # k = 1
    assert said(lagged(**gains, k=2, split="train")) == []
    assert len(said(lagged(**gains, k=2))) == 2


def test_rows_of_a_certificate_agree_or_not():
    rows = pd.DataFrame(
        {"process": ["var", "jumps"], "diagnostic": "dnll", "measured": [1.0, 2.0], "ci_low": [0.9, 1.9],
         "ci_high": [1.1, 2.1], "exact": [1.01, 3.0], "agrees": ["2 %", "no"]}
    )  # fmt: skip
    assert said(Sheet(rows, [], {"measured": 1, "exact": 2}), "calibration") == [
        ("var", "yes", "measured 1.0 [0.9, 1.1], exact 1.01"), ("jumps", "no", "measured 2.0 [1.9, 2.1], exact 3.00")
    ]  # fmt: skip


def test_controls_are_shown_and_not_asked():
    rows = pd.DataFrame(
        {"representation": "x", "predictor": ["p", "p", "p"], "mode": ["sampled", "phase_randomised", "data"],
         "classifier_accuracy": [0.6, 0.7, 0.5], "classifier_accuracy_ci_low": [0.55, 0.65, 0.4],
         "classifier_accuracy_ci_high": [0.65, 0.75, 0.6]}
    )  # fmt: skip
    found = said(Sheet(rows, [], {"classifier_accuracy": 2}), "free_runs")
    assert found == [
        ("x, p", "yes", "classifier_accuracy 0.60 [0.55, 0.65], asked: below 0.75"),
        ("x, phase_randomised", None, "classifier_accuracy 0.70 [0.65, 0.75]"),
    ]


def test_neither_surrogates_nor_what_has_no_number_are_controls():
    rows = pd.DataFrame(
        {"representation": ["x", "x__shuffled", "x"], "predictor": "p", "mode": ["sampled", "half", "half"],
         "classifier_accuracy": [0.6, 0.5, math.nan], "classifier_accuracy_ci_low": 0.5,
         "classifier_accuracy_ci_high": 0.7}
    )  # fmt: skip
    assert [row for row, *_ in said(Sheet(rows, [], {}), "free_runs")] == ["x, p"]


def test_beside_an_overflow_nothing_is_decided():
    ((_, verdict, text),) = said(
        lagged(context_gain=-math.inf, k=[2, 1, 1])
    )  # the density without a context overflowed
    assert verdict == "undecided" and text.startswith("context_gain overflow")
    bounds = {f"{TOLD}_ci_low": [3.5, math.nan, 4.0], f"{TOLD}_ci_high": [4.0, math.nan, 5.0]}
    ((_, verdict, text),) = said(lagged(**{TOLD: [3.8, math.inf, 4.5]}, **bounds), "geometry")
    assert verdict == "undecided" and "above overflow of x__shuffled" in text


def test_a_blank_is_no_answer_in_a_column_of_words():
    rows = pd.DataFrame({"representation": "x", "predictor": ["p", "q"], "helps": ["yes", None]})
    assert [verdict for _, verdict, _ in said(Sheet(rows, []), "memory")] == ["yes", "missing"]
    rows = pd.DataFrame({"process": ["a", "b"], "measured": 1.0, "agrees": ["2 %", None]})
    assert [verdict for _, verdict, _ in said(Sheet(rows, []), "calibration")] == ["yes", "missing"]


def test_what_an_answer_would_hide_stands_beside_it():
    rows = pd.DataFrame(
        {"representation": "x", "predictor": "p", "split": "eval", "regime": "unrolled", "shrinkage": 0.62,
         "d_state_error_normalised_D": -0.1, "d_state_error_normalised_D_ci_low": -0.2,
         "d_state_error_normalised_D_ci_high": -0.05}, index=[0]
    )  # fmt: skip
    ((_, verdict, text),) = said(Sheet(rows, [], {"shrinkage": 2, "d_state_error_normalised_D": 2}), "regimes")
    assert verdict == "yes"
    assert text == "d_state_error_normalised_D -0.10 [-0.20, -0.05], asked: below 0; shrinkage 0.62"


def test_gates_keep_their_verdict_and_one_whose_interval_holds_the_threshold_is_undecided():
    rows = pd.DataFrame(
        {"gate": "direction_sustained", "representation": ["a", "b", "c", "d"], "predictor": "p",
         "measured": [1.0, 0.2, 0.6, None], "threshold": 0.5, "comparison": ">",
         "verdict": ["met", "not met", "undecided", "not measured"],
         "why": ["", "", "", "no forecasts"], "question": "Is it?", "against": ["", "q", "", ""],
         "ceiling": [None, 0.4, 0.7, None],
         "ci_low": [0.9, 0.1, 0.4, None],
         "ci_high": [1.1, 0.3, 0.8, None]}
    )  # fmt: skip
    found = said(Sheet(rows, [], {"measured": 1}), "gates")
    assert [verdict for _, verdict, _ in found] == ["yes", "no", "undecided", "missing"]
    assert found[0] == ("a, p", "yes", "cosine 1.0 [0.9, 1.1], asked: > 0.5") and found[3][2] == "no forecasts"
    looks = "a predictor that is fitted to look ahead reaches {} at the latest step that has one"
    reaches = f"{looks.format('0.400')}, so that no forecast can be expected to"
    assert found[1][2] == f"cosine 0.2 [0.1, 0.3], asked: > 0.5 beside q ({reaches})"
    assert found[2][2] == f"cosine 0.6 [0.4, 0.8], asked: > 0.5 ({looks.format('0.700')})"
    elsewhere = said(Sheet(rows.assign(verdict="not comparable"), [], {"measured": 1}), "gates")
    assert elsewhere[0] == ("a, p", "missing", "cosine 1.0 [0.9, 1.1], asked: > 0.5, a threshold of Mimi's latents")
    assert said(Sheet(rows.assign(gate="of_old"), [], {}), "gates") == [], "nobody asks it any more"


def test_gates_of_surrogates_and_of_training_speakers_are_not_told():
    rows = pd.DataFrame(
        {"gate": "direction_sustained", "representation": ["a", "a__white", "a"], "predictor": "p",
         "split": ["eval", "eval", "train"], "measured": 0.9, "threshold": 0.6, "comparison": ">", "verdict": "met",
         "why": "", "question": "Is it?", "ci_low": 0.8, "ci_high": 1.0}
    )  # fmt: skip
    assert [row for row, *_ in said(Sheet(rows, [], {}), "gates")] == ["a, p"]


def test_a_verdict_of_an_older_version_whose_interval_does_not_decide_is_undecided():
    rows = pd.DataFrame(
        {"gate": "horizon_extended", "representation": ["a", "b"], "predictor": "p", "measured": 17.0,
         "threshold": 8.0, "comparison": ">", "verdict": "met", "decided": ["no", "yes"], "why": "",
         "question": "Is it?", "ci_low": [5.0, 16.0], "ci_high": 17.0}
    )  # fmt: skip
    assert [verdict for _, verdict, _ in said(Sheet(rows, [], {}), "gates")] == ["undecided", "yes"]


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.95, 1.05, "yes"), (0.9, 1.1, "yes"), (0.85, 1.05, "undecided"), (0.5, 0.8, "no"), (1.2, 3.0, "no"),
     (0.5, 3.0, "undecided")],
)  # fmt: skip
def test_within_asks_for_both_bounds(low, high, verdict):
    rows = pd.DataFrame(
        {"representation": "x", "predictor": ["p", "data"], "mode": "sampled", "energy": (low + high) / 2,
         "energy_ci_low": low, "energy_ci_high": high}
    )  # fmt: skip
    ((_, found, text),) = said(Sheet(rows, [], {"energy": 2}), "free_runs")  # and nothing is asked of the data
    assert found == verdict and text.endswith("asked: within 0.9 to 1.1")


def test_a_table_that_has_answered_already_is_asked_its_answer_and_shows_its_numbers():
    rows = pd.DataFrame(
        {"representation": "x", "predictor": ["p", "q", "r"], "helps": ["yes", "no", "unknown"],
         "over_widened": [-1.0, 1.0, 2.0], "over_random": [-2.0, -1.0, 0.5]}
    )  # fmt: skip
    found = replies("memory", Sheet(rows, [], {"over_widened": 1, "over_random": 1}))
    found = [reply for reply in found if reply.name == "memory_helps"]
    assert [reply.verdict for reply in found] == ["yes", "no", "undecided"]
    assert (found[0].row, found[0].text) == ("x, p", "over_widened -1.0, over_random -2.0")


def test_every_question_is_of_kinds_of_tables_that_there_are():
    kinds = {kind.model_fields["kind"].annotation.__args__[0] for kind in kinds_of(TableKind)}
    questions = asked().questions.root
    assert questions and all(set(question.kinds) <= kinds for question in questions)
    topics = {topic.name for topic in asked().topics.root}
    gates = (*criteria().gates.root, *criteria().decisions.root)
    assert topics == {entry.topic for entry in (*questions, *gates)}
    assert {entry.topic for entry in questions if entry.leads} | {"measuring"} == topics


@pytest.mark.parametrize(
    "text",
    ["is: above, than: 1, colour: red", "is: near, than: 1", "is: above", "is: within, than: 1", "is: told, than: 1",
     "is: above, than: [1, 2]", "is: within, than: [2, 1]", "is: above, than: 1, topic: u",
     "is: above, than: 1, where: {splt: eval}", "is: above, than: 1, unless: {splt: eval}",
     'is: above, beside: {rep: "x"}', 'is: above, beside: {representation: "{rep}__shuffled"}',
     'is: above, beside: {representation: "{representation__shuffled"}',
     "is: above, than: 1}, {name: a, question: A, topic: t, column: c, is: above, than: 1",
     "is: above, than: 1, every: [a]", "is: above, than: 1, whatever: [predictr]",
     "is: above, than: 1}, {name: b, question: B, topic: t, is: above, than: 1",
     "is: above, than: 1}, {name: b, question: B, topic: t, is: all",
     "is: above, than: 1}, {name: b, question: B, topic: t, is: all, every: [z]",
     "is: above, than: 1}, {name: b, question: B, topic: t, is: all, every: [a], than: 1"],
)  # fmt: skip
def test_a_question_of_another_form_is_refused(tmp_path, monkeypatch, text):
    def read(text: str) -> None:
        topic = "" if "topic: u" in text else "topic: t, "
        entry = f"{{name: a, question: A, {topic}column: c, {text}}}"
        topics = [f"{{name: {name}, head: T}}" for name in ("t", *of_gates)]
        (tmp_path / "q.yaml").write_text(f"topics: [{', '.join(topics)}]\nquestions: [{entry}]")
        asked.__wrapped__()

    of_gates = {entry.topic for entry in (*criteria().gates.root, *criteria().decisions.root)}
    monkeypatch.setattr(module, "QUESTIONS", tmp_path / "q.yaml")
    read("is: above, than: 1")
    read("is: above, than: 1}, {name: b, question: B, topic: t, is: all, every: [a]")
    with pytest.raises(UserError, match=r"q\.yaml"):
        read(text)


def test_a_gate_of_a_topic_that_is_not_there_is_refused(tmp_path, monkeypatch):
    text = (
        module.QUESTIONS.read_text()
        .replace("{name: memory,", "{name: memories,")
        .replace("topic: memory", "topic: next")
    )
    (tmp_path / "q.yaml").write_text(text)
    monkeypatch.setattr(module, "QUESTIONS", tmp_path / "q.yaml")
    with pytest.raises(UserError, match="archetypes_tight") as refused:
        asked.__wrapped__()
    assert refused.value.where.endswith("gates.yaml")


def with_bounds(name: str, values: list[float], half: float = 0.02) -> dict[str, list[float]]:
    return {name: values, f"{name}_ci_low": [v - half for v in values], f"{name}_ci_high": [v + half for v in values]}


@pytest.mark.parametrize(
    ("unbounded", "accuracy", "verdict"),
    [(0.0, 0.6, "yes"), (0.0, 0.74, "undecided"), (0.0, 0.9, "no"), (0.005, 0.9, "no"), (0.5, 0.6, "no"),
     (math.nan, 0.6, "missing"), (math.nan, 0.9, "no")],
)  # fmt: skip
def test_a_row_is_asked_all_of_several_questions_and_a_no_to_one_of_them_is_a_no(unbounded, accuracy, verdict):
    rows = pd.DataFrame(
        {"representation": "x", "predictor": ["p", "half"], "mode": ["sampled", "half"],
         **with_bounds("unbounded", [unbounded, math.nan], 0.006),
         **with_bounds("classifier_accuracy", [accuracy, 0.5])}
    )  # fmt: skip
    found = [reply for reply in replies("free_runs", Sheet(rows, [])) if reply.name == "generation_holds"]
    assert [(reply.row, reply.verdict) for reply in found] == [("x, p", verdict)]
    assert f"classifier_accuracy {accuracy} [" in found[0].said
    assert found[0].question == next(g.question for g in criteria().gates.root if g.name == "generation_holds")


def test_a_table_that_lacks_the_column_by_which_rows_are_told_apart_is_not_asked():
    rows = pd.DataFrame({"representation": ["x", "y"], "mode": "sampled", "split": "eval",
                         **with_bounds("classifier_accuracy", [0.6, 0.9])})  # fmt: skip
    names = {reply.name for reply in replies("state_generation", Sheet(rows, []))}
    assert "passes_for_real" in names and "beyond_random_phases" not in names


def test_what_a_representation_was_trained_for_decides_which_questions_it_is_asked():
    rows = pd.DataFrame({"representation": ["vae", "decoded", "state", "rolled"], "role": "judged",
                         "objective": ["frames", "decoded_prediction", "factorizer", "factorizer, rollout"],
                         **with_bounds("decoded_skill_over_pca", [0.1] * 4),
                         **with_bounds("decoded_skill_over_canonical_state", [0.1] * 4)})  # fmt: skip
    found: dict[str, list[str]] = {}
    for reply in replies("learned", Sheet(rows, [])):
        found.setdefault(reply.name, []).append(reply.row)
    assert found == {"forecasts_beyond_pca_predicted": ["decoded"], "forecasts_beyond_pca": ["vae"],
                     "factorizer_beyond_canonical": ["state", "rolled"]}  # fmt: skip


FORMS = {
    "representation": "x",
    "predictor": ["step_natural", "step_principal", "step_again", "level_principal", "skip_principal", "line_1"],
    "target": ["step", "step", "step", "level", "step", None],
    "linear_skip": ["none", "none", "none", "none", "fixed", None],
    "target_axes": ["natural", "principal", "principal", "principal", "principal", None],
    "regime": "teacher_forced",
}


def test_free_runs_stand_beside_frames_with_random_phases():
    rows = pd.DataFrame({**FORMS, **with_bounds("classifier_accuracy", [0.9, 0.8, 0.7, 0.69, 0.5, 0.7])})
    rows.loc[5, ["predictor", "regime"]] = ["phase_randomised", None]
    found = [reply for reply in replies("parametrisation", Sheet(rows, [])) if reply.name == "beyond_random_phases"]
    assert [reply.verdict for reply in found] == ["no", "no", "undecided", "undecided", "yes"]
    assert all(reply.asked.endswith("of phase_randomised") for reply in found)


@pytest.mark.parametrize(
    ("over", "half", "verdict"),
    [(-0.02, 0.01, "yes"), (0.02, 0.01, "no"), (-0.02, 0.03, "undecided"), (-0.02, math.nan, "undecided"),
     (math.inf, math.nan, "no"), (math.nan, math.nan, "undecided")],
)  # fmt: skip
def test_the_difference_over_the_same_speakers_decides_where_intervals_meet(over, half, verdict):
    over_staying = {
        name: [*values, math.nan] for name, values in with_bounds("state_error_over_staying", [over], half).items()
    }
    rows = pd.DataFrame({"representation": "x", "predictor": ["p", "at_mean"], "split": "eval", "mode": "D",
                         **with_bounds("state_error_normalised", [0.88, 0.9]), **over_staying})  # fmt: skip
    found = replies("injection", Sheet(rows, []))
    (reply,) = (reply for reply in found if reply.name == "forecast_beyond_staying")
    assert reply.verdict == verdict and reply.row == "x, p"
    assert math.isclose(reply.value, 0.88) and math.isclose(reply.beyond, 0.02)
    assert ("state_error_over_staying" in reply.asked) == (not math.isnan(over))


def differences(accuracy: list[float]) -> dict[str, list[tuple[str, str, str]]]:
    """What a table of these forms says of what makes the difference, by question."""
    found: dict[str, list[tuple[str, str, str]]] = {}
    for reply in replies(
        "parametrisation", Sheet(pd.DataFrame({**FORMS, **with_bounds("classifier_accuracy", accuracy)}), [])
    ):
        if reply.topic == "form":
            found.setdefault(reply.name, []).append((reply.row, reply.verdict, reply.asked))
    return found


def test_what_makes_a_difference_is_asked_of_arms_that_differ_in_it_alone():
    found = differences([0.9, 0.89, 0.95, 0.8, 0.7, 0.6])
    assert found["level_passes"] == [
        ("x, level_principal", "yes",
         "asked: below 0.89 [0.87, 0.91] of step_principal and 0.95 [0.9299999999999999, 0.97] of step_again")
    ]  # fmt: skip
    assert [row[:2] for row in found["line_passes"]] == [("x, skip_principal", "yes")]
    assert [row[:2] for row in found["axes_pass"]] == [("x, step_principal", "undecided"), ("x, step_again", "no")]


def test_beside_several_arms_that_compare_a_yes_is_one_beside_all_of_them():
    assert [row[1] for row in differences([0.9, 0.81, 0.95, 0.8, 0.7, 0.6])["level_passes"]] == ["undecided"]
    assert [row[1] for row in differences([0.9, 0.7, 0.95, 0.8, 0.7, 0.6])["level_passes"]] == ["undecided"]
    assert [row[1] for row in differences([0.9, 0.7, 0.75, 0.8, 0.7, 0.6])["level_passes"]] == ["no"]


def test_trainings_that_differ_in_their_seed_alone_are_one_row_the_mean_of_their_numbers():
    rows = pd.DataFrame(
        {"representation": "x", "predictor": ["p", "p", "q", "data"], "seed": [0, 1, 0, None],
         **with_bounds("unbounded", [0.2, 0.4, 0.0, math.nan], 0.1)}
    )  # fmt: skip
    found = [reply for reply in replies("calm_arm", Sheet(rows, [])) if reply.name == "bounded"]
    assert [(reply.row, reply.seeds, reply.verdict) for reply in found] == [("x, p", 2, "no"), ("x, q", 1, "undecided")]
    assert (found[0].value, found[0].low, found[0].high) == pytest.approx((0.3, 0.2, 0.4))
    one_lost = rows.assign(unbounded=[0.2, math.inf, 0.0, math.nan])
    assert replies("calm_arm", Sheet(one_lost, []))[0].verdict == "no", "an overflow of one is one of their mean"
    one_missing = rows.assign(unbounded=[0.2, math.nan, 0.0, math.nan])
    assert replies("calm_arm", Sheet(one_missing, []))[0].verdict == "missing"


def test_trainings_of_a_representation_are_one_row_only_beside_the_first_of_them():
    rows = pd.DataFrame(
        {"representation": ["vae", "vae_seed1", "vae_seed2", "other_seed1", "pca"],
         "role": ["judged", "judged", "judged", "judged", "control"], "objective": "frames",
         **with_bounds("decoded_skill_over_pca", [-0.1, -0.2, -0.3, -0.4, 0.0])}
    )  # fmt: skip
    found = replies("learned", Sheet(rows, []))
    assert [(reply.row, reply.seeds, round(reply.value, 9)) for reply in found] == [
        ("vae", 3, -0.2),
        ("other_seed1", 1, -0.4),
    ]
