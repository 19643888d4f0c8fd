"""What all findings come to, by hand: of a run where all holds, where all fails, and where there is nothing."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from latentdyn.reporting.bounds import Verdict
from latentdyn.reporting.conclusion import conclusion
from latentdyn.reporting.findings import Answer, Finding, Topic
from latentdyn.reporting.questions import asked, effects
from latentdyn.reporting.replies import Reply
from latentdyn.reporting.shares import exact_interval

RATES = {"x": 12.5}
EFFECTS = ["What makes the difference to free runs?", "Do training regimes or score corrections help?",
           "Do steps go in directions that come back, and does memory help?",
           "Does another representation help?"]  # fmt: skip
HEADS = ["What can be predicted", "How far", "Free runs", "What is heard", *EFFECTS, "What is not known",
         "Is the measuring right"]  # fmt: skip
RUNS = ("bounded", "energy_kept", "passes_for_real", "beyond_random_phases", "generation_holds")
HEARD = ("heard", "runs_sound_like_frames")


def reply(
    name: str, verdict: Verdict, model: int, value: float, row: str | None = None, beyond: float = 0.5, **place: object
) -> Reply:
    entry = next(entry for entry in (*effects(), *asked().questions.root) if entry.name == name)
    of = {"representation": "x", "predictor": f"p{model}", **place}
    return Reply(entry.question, entry.topic, True, row or f"p{model}", verdict, "", value=value, place=of, name=name,
                 beyond=beyond)  # fmt: skip


def topics(**verdicts: Sequence[Verdict | Reply]) -> list[Topic]:
    """By question, what each model answers; by topic."""
    by_topic: dict[str, list[Finding]] = {}
    for name, mine in verdicts.items():
        rows = [one if isinstance(one, Reply) else reply(name, one, i, 0.0) for i, one in enumerate(mine)]
        given = {verdict: [("t", one) for one in rows if one.verdict == verdict]
                 for verdict in ("yes", "no", "undecided", "missing")}  # fmt: skip
        answers = [Answer(verdict, found, len(rows), RATES) for verdict, found in given.items() if found]
        finding = Finding(rows[0].question, answers, [], rows[0].leads, name)
        by_topic.setdefault(rows[0].topic, []).append(finding)
    heads = {topic.name: topic.head for topic in asked().topics.root}
    return [Topic(name, heads[name], mine) for name, mine in by_topic.items()]


def effect(**verdicts: Sequence[Verdict | Reply]) -> str:
    """All sentences of what helps."""
    return " ".join(text for head, text in said(**verdicts).items() if head in EFFECTS)


def said(**verdicts: Sequence[Verdict | Reply]) -> dict[str, str]:
    return {part.head: " ".join([part.text, *part.items]).lstrip() for part in conclusion(topics(**verdicts), {})}


def steps(*models: str) -> list[Reply]:
    """Of each model, the answers at steps 2, 3, ... of a forecast: y, n or u."""
    words: dict[str, Verdict] = {"y": "yes", "n": "no", "u": "undecided"}
    return [reply("forecast_direction_later", words[letter], i, 0.1, step=step)
            for i, model in enumerate(models) for step, letter in enumerate(model, start=2)]  # fmt: skip


def every(verdict: Verdict) -> dict[str, Sequence[Verdict | Reply]]:
    """A run in which two models answer every question of a conclusion alike."""
    names = ("more_than_unordered_frames", "first_step_beyond_staying", "direction_beyond_noise", "past_saves_bits",
             "forecast_beyond_staying", "forecast_beyond_marginal",
             *RUNS, *HEARD, *(entry.name for entry in effects()))  # fmt: skip
    letter = verdict[0] * 3
    return {**{name: [verdict, verdict] for name in names}, "forecast_direction_later": steps(letter, letter)}


def test_of_a_run_where_all_holds_nothing_fails():
    found = said(**every("yes"))
    assert list(found) == HEADS
    assert found["What can be predicted"].startswith(
        "The past tells more about the next frame than frames in random order do: in both models, by 0.5 (p0) to "
        "0.5 (p1) nats a frame."
    )
    assert "At equal sound and 12.5 Hz the past saves" in found["What can be predicted"]
    assert "in both models: by a cosine of 0 beside -0.5." in found["What can be predicted"]
    assert (
        "Of 2 models, the direction of forecasts is better than chance at every step up to step 4 in 2 (320 ms at "
        "most), by a cosine of 0.1 at step 2" in found["How far"]
    )
    assert "stays at the mean is off by 0.5 spreads; forecasts of models are off by 0." in found["How far"]
    assert "Nearer to the truth than staying there are both models." in found["How far"]
    assert "errs so often, is shown in both models: 0 fail in at least one." in found["Free runs"]
    assert "(PESQ above 2) in both models" in found["What is heard"]
    for word in ("worse in", "no in", "undecided in"):
        assert word not in effect(**every("yes"))
    assert (
        effect(**every("yes")).count("in both models") == len(effects())
        and "Nothing was measured" not in found.popitem()[1]
    )


def test_of_a_run_where_all_fails_nothing_is_said_to_hold():
    found = said(**every("no"))
    assert list(found) == HEADS
    assert found["What can be predicted"] == (
        "The past tells no more about the next frame than frames in random order do, in both models. That it saves "
        "bits at equal sound, more than frames in random order save, is not shown. The direction of the next step is "
        "predicted better than by a step to the mean in none of 2 models: by a cosine of 0 beside -0.5. It is "
        "predicted better than that of white noise in none of 2 models. Steps of frames that depend on each other lead "
        "back to the mean less than those of noise do, so that this asks for much."
    )
    assert found["How far"].startswith(
        "No forecast is shown to keep a direction better than chance after its first step."
    )
    assert "Nearer to the truth than staying there are none of 2 models; 2 are farther off." in found["How far"]
    assert "beat draws of each dimension by itself in none of 2 models; the voice" in found["How far"]
    assert "less often than three times in four in none of 2 models" in found["Free runs"]
    assert "is shown in none of 2 models: 2 fail in at least one." in found["Free runs"]
    assert found["What is heard"].endswith("as natural as decoded true frames in none of 2 models.")
    assert not any(word in effect(**every("no")) for word in ("better in", "yes in", "undecided in"))
    assert effect(**every("no")).count("in both models") == len(effects())


def test_of_a_run_where_nothing_is_decided_nothing_is_said_to_hold_or_to_fail():
    found = said(**every("undecided"))
    assert list(found) == HEADS
    assert found["What can be predicted"].startswith(
        "That the past tells more about the next frame than frames in random order do is not shown."
    )
    assert "is shown in none of 2 models: 0 fail in at least one, 2 are undecided." in found["Free runs"]
    assert effect(**every("undecided")).count("undecided in both models") == len(effects())


@pytest.mark.parametrize("nothing", [{}, {"bounded": ["missing"], "memory_helps": ["missing", "missing"]}])
def test_of_a_run_where_nothing_was_measured_only_that_is_said(nothing):
    found = said(**nothing)
    assert list(found) == ["What is known", "Is the measuring right"]
    assert found["What is known"] == "Nothing was measured that answers a question of this page."


def test_what_was_not_measured_is_named():
    found = said(more_than_unordered_frames=["yes"], memory_helps=["missing"])
    assert list(found) == ["What can be predicted", "What is not known", "Is the measuring right"]
    told = found["What is not known"]
    unknown = [topic.head for topic in asked().topics.root if topic.name not in ("next", "measuring")]
    assert all(head in told for head in unknown) and "Can the next frame be predicted?" not in told
    assert "in the one model, by 0.5 (p0) nats" in found["What can be predicted"]


def test_a_forecast_reaches_as_far_as_every_step_before_does():
    told = said(forecast_direction_later=steps("yyuy", "ynyy", "uyyy"))["How far"]
    assert told.startswith("Of 3 models, the direction")
    assert "up to step 2 in 1, 3 in 1 (240 ms at most), by a cosine of 0.1 at step 2 and 0.1 at step 3." in told


@pytest.mark.parametrize(
    ("values", "verdicts", "words"),
    [
        ((0.0, 0.0), ("undecided", "undecided"), ["In both models no", "runs do in none.", "it is shown in none of 2"]),
        ((0.0, 0.5), ("yes", "no"), ["In 1 of 2 models no", "Too many runs do in 1."]),
        (
            (0.0, 0.0),
            ("yes", "undecided"),
            ["In both models no", "runs do in none.", "it is shown in 1 of 2"],
        ),
        ((0.5, math.inf), ("no", "no"), ["In none of 2 models no", "Too many runs do in 2."]),
    ],
)
def test_that_no_run_was_lost_is_told_from_that_few_would_be(values, verdicts, words):
    rows = [
        reply("bounded", verdict, i, value) for i, (verdict, value) in enumerate(zip(verdicts, values, strict=True))
    ]
    told = said(bounded=rows)["Free runs"]
    assert all(word in told for word in words) and ("368 runs" in told) == ("shown in" in " ".join(words))


def test_as_many_runs_as_the_conclusion_asks_for_would_show_it():
    (high,), (less,) = (exact_interval(np.zeros(1), np.array([n]))[1] for n in (368, 367))
    assert high < 0.01 <= less


def test_what_helps_in_some_rows_and_harms_in_others_is_told_with_how_many_and_by_how_much():
    yes = [reply("regime_helps", "yes", i, -beyond, beyond=beyond) for i, beyond in enumerate((0.04, 0.2, math.nan))]
    rest = [reply("regime_helps", "no", 3, 0.3, beyond=-0.3), reply("regime_helps", "undecided", 4, 0.0, beyond=0.0)]
    told = effect(regime_helps=[*yes, *rest])
    assert (
        "better in 3 of 5 models (p0; p1; p2), by 0.04 to 0.2 spreads; worse in 1 (p3), by 0.3 spreads; 1 undecided"
        in told
    )
    assert told.startswith("Training regimes, beside teacher forcing. How near mean forecasts are")


def test_a_no_beside_a_threshold_is_no_harm():
    told = effect(learned_is_heard=["no", "no", "undecided"], memory_helps=["no", "yes"])
    assert "worse" not in told and "(PESQ above 2): no in 2 of 3 models (p0; p1); 1 undecided; PESQ is 0." in told
    assert "yes in 1 of 2 models (p1); no in 1 (p0) (undecided where the same memory" in told


def test_what_many_rows_have_in_common_is_told_if_others_do_not_have_it():
    many = [reply("regime_helps", "yes", i, 0.0, variant="a") for i in range(7)]
    rows = many[:4]
    others = [reply("regime_helps", "no", i, 0.0, variant=letter) for i, letter in enumerate("bc")]
    assert "better in 4 of 6 rows (p0, a; p1, a; p2, a; p3, a), by 0.5 spreads; worse in 2 (p0, b; p1, c)" in effect(
        regime_helps=[*rows, *others]
    )
    assert "better in 7 of 8 rows (all of them a), by" in effect(regime_helps=[*many, others[0]])
    mixed = [reply("regime_helps", word, i, 0.0) for word in ("yes", "no") for i in range(7)]
    assert "better in 7 of 14 rows, by" in effect(regime_helps=mixed)


def test_effects_of_one_cause_stand_together_whether_questions_or_gates_ask_of_them():
    parts = conclusion(topics(regime_helps=["yes"], prediction_term_helps=["no"], regime_passes=["no"]), {})
    items = [item for part in parts for item in part.items]
    assert len(items) == 2 and items[0].count("Training regimes") == 1 and "free runs are to tell" in items[0]
    assert (
        items[1].startswith("A loss for prediction (L_pred)") and "worse in the one model, by -0.5 spreads" in items[1]
    )


def test_the_best_free_runs_stand_beside_their_own_control():
    runs = {name: [reply(name, verdict, i, value, f"x, p{i}", beyond)
                   for i, (verdict, value, beyond) in enumerate((("undecided", 0.63, 0.07), ("no", 0.9, -0.2)))]
            for name in ("passes_for_real", "beyond_random_phases")}  # fmt: skip
    told = said(**runs)["Free runs"]
    assert "least often, 0.63 of the times, in x, p0." in told
    assert (
        "easier to tell in 1 of 2 models, harder in none, undecided in 1; the lowest is 0.63 beside 0.7 (undecided)."
        in told
    )


def test_numbers_that_all_overflowed_break_no_conclusion():
    names = ("more_than_unordered_frames", "first_step_beyond_staying", "direction_beyond_noise", "past_saves_bits",
             "forecast_beyond_staying", "forecast_beyond_marginal", *RUNS, *HEARD)  # fmt: skip
    for verdict in ("no", "undecided"):
        lost = {name: [reply(name, verdict, 0, math.inf, beyond=math.nan)] for name in names}
        found = said(**lost)
        assert "forecasts of models are off by no finite number" in found["How far"]
        assert "by a cosine of no finite number beside no finite number" in found["What can be predicted"]
        assert "nan" not in " ".join(found.values())


def test_the_energy_that_is_lost_is_told():
    rows = [
        reply("energy_kept", "yes", 0, 1.0),
        reply("energy_kept", "no", 1, 43.5),
        reply("energy_kept", "no", 2, 0.5),
    ]
    assert said(energy_kept=rows)["Free runs"].endswith("(2 no); where it is lost, they have 0.5 to 44 times as much.")


def test_what_effects_come_to_stands_beside_their_size():
    rows = [replace(reply("regime_helps", "yes", i, -0.1), level=level) for i, level in enumerate((0.839, 0.9462))]
    assert "better in both models, by 0.5 spreads, to 0.839 to 0.946 (some" in effect(regime_helps=rows)


def test_what_was_measured_comes_first():
    rows, made = topics(bounded=["yes", "no"]), {"x": "8 dimensions at 12.5 Hz"}
    told = conclusion(rows, {}, {"latents": "latents are of x", "speech": "eval 2 speakers", "corpus": "c"}, made)
    assert told[0].head == "What was measured"
    assert told[0].text == (
        "Corpus c: eval 2 speakers. Latents are of x. Of 2 rows that answer, 2 are of x (8 dimensions at 12.5 Hz)."
    )
    assert conclusion(rows, {}, {"commit": "1"})[0].head == "Free runs"


def test_how_many_known_values_were_found_is_told():
    known = topics(
        calibrated=[
            reply("calibrated", word, i, 1.0, diagnostic="dnll", agrees=("interval", "no", "2 %")[i])
            for i, word in enumerate(("yes", "no", "yes"))
        ]
    )
    parts = {part.head: part.text for part in conclusion([], {"calibration": known})}
    told = (
        "Of 3 checks against exact values, 2 came out as they must (1 by their interval, 1 by a tolerance that the "
        "table names). They are of dnll."
    )
    assert parts["Is the measuring right"] == told
    rows = topics(
        bounded=["yes"], regime_helps_next=["yes"], passes_for_real=["no"], energy_kept=["no"], memory_helps=["no"]
    )
    assert conclusion(rows, {"calibration": known})[-1].text == (
        f"{told} Not checked so, of what is concluded from above: unbounded, energy, classifier_accuracy."
    )
    assert conclusion([], {})[-1].text.startswith("It was not checked")


def test_every_question_that_a_conclusion_is_made_of_is_there():
    names = {question.name for question in asked().questions.root}
    assert {"more_than_unordered_frames", "past_saves_bits", "forecast_direction_later", "forecast_beyond_marginal",
            "calibrated", *RUNS} <= names  # fmt: skip
