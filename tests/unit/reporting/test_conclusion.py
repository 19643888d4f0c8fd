"""What all findings come to, by hand: of a run where all holds, where all fails, and where there is nothing."""

import math
from collections.abc import Sequence

import pytest

from latentdyn.reporting.bounds import Verdict
from latentdyn.reporting.conclusion import conclusion
from latentdyn.reporting.findings import Answer, Finding, Topic
from latentdyn.reporting.questions import asked
from latentdyn.reporting.replies import Reply

RATES = {"x": 12.5}
HEADS = ["What can be predicted", "How far", "Free runs", "What helps", "What helps in part", "What does not",
         "What is open", "What is not known", "Is the measuring right"]  # fmt: skip
RUNS = ("bounded", "passes_for_real", "generation_holds", "runs_sound_like_frames")


def reply(
    name: str, verdict: Verdict, model: int, value: float, row: str = "", beyond: float = 0.5, **place: object
) -> Reply:
    question = next(entry for entry in asked().questions.root if entry.name == name)
    of = {"representation": "x", "predictor": f"p{model}", **place}
    return Reply(question.question, question.topic, question.leads, row, verdict, "", value=value, place=of, name=name,
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


def said(**verdicts: Sequence[Verdict | Reply]) -> dict[str, str]:
    return {part.head: " ".join([part.text, *part.items]).lstrip() for part in conclusion(topics(**verdicts), {})}


def steps(*models: str) -> list[Reply]:
    """Of each model, the answers at steps 2, 3, ... of a forecast: y, n or u."""
    words: dict[str, Verdict] = {"y": "yes", "n": "no", "u": "undecided"}
    return [reply("forecast_direction_later", words[letter], i, 0.1, step=step)
            for i, model in enumerate(models) for step, letter in enumerate(model, start=2)]  # fmt: skip


HELPS = [question.name for question in asked().questions.root if question.helps]


def every(verdict: Verdict) -> dict[str, Sequence[Verdict | Reply]]:
    """A run in which two models answer every question of a conclusion alike."""
    names = ("more_than_unordered_frames", "direction_beyond_noise", "past_saves_bits",
             "forecast_beyond_staying", "forecast_beyond_marginal",
             *RUNS, *HELPS)  # fmt: skip
    letter = verdict[0] * 3
    return {**{name: [verdict, verdict] for name in names}, "forecast_direction_later": steps(letter, letter)}


def test_of_a_run_where_all_holds_nothing_fails():
    found = said(**every("yes"))
    assert list(found) == [head for head in HEADS if head not in ("What helps in part", "What does not",
                                                                 "What is open")]  # fmt: skip
    assert found["What can be predicted"].startswith(
        "The past tells more about the next frame than frames in random order do: in both models, by 0.5 nats a frame."
    )
    assert "At equal sound and 12.5 Hz it saves" in found["What can be predicted"]
    assert "after the first step too, for 4 steps (320 ms at most) in both models." in found["How far"]
    assert (
        "come nearer to the truth than one that stays at the mean in both models, by 0.5 spreads." in found["How far"]
    )
    assert "Both together hold in both models." in found["Free runs"]
    assert found["What helps"].count("(both models") == len(HELPS) and "Nothing was measured" not in found.popitem()[1]


def test_of_a_run_where_all_fails_nothing_is_said_to_hold():
    found = said(**every("no"))
    assert list(found) == [head for head in HEADS if head not in ("What helps", "What helps in part",
                                                                 "What is open")]  # fmt: skip
    assert found["What can be predicted"] == (
        "The past tells no more about the next frame than frames in random order do, in both models. That it saves "
        "bits at equal sound, more than such frames save, is not shown. The direction of the next step is predicted "
        "no better than that of white noise, which leads back to the mean, in both models."
    )
    assert found["How far"] == (
        "No forecast is shown to keep a direction better than chance after its first step. Over all steps together, "
        "no forecast is shown to come nearer to the truth than one that stays at the mean. At its last step no "
        "forecast by draws is shown to tell anything."
    )
    assert (
        "less often than three times in four in none of 2 models" in found["Free runs"]
        and "Both together hold in none." in found["Free runs"]
    )
    assert found["What does not"].count("(both models") == len(HELPS)


def test_of_a_run_where_nothing_is_decided_nothing_is_said_to_hold_or_to_fail():
    found = said(**every("undecided"))
    assert list(found) == [head for head in HEADS if head not in ("What helps", "What helps in part", "What does not")]
    assert found["What can be predicted"].startswith(
        "That the past tells more about the next frame than frames in random order do is not shown."
    )
    assert "Both together are shown for no model: 0 fail, and 2 are open." in found["Free runs"]
    assert found["What is open"].count("(both models)") == len(HELPS)


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
    assert "in the one model" in found["What can be predicted"]


def test_a_forecast_reaches_as_far_as_every_step_before_does():
    told = said(forecast_direction_later=steps("yyuy", "ynyy", "uyyy"))["How far"]
    assert "for 2 to 3 steps (240 ms at most) in 2 of 3 models." in told


@pytest.mark.parametrize(
    ("values", "verdicts", "words"),
    [
        ((0.0, 0.0), ("undecided", "undecided"), ["in both models; too many do in none.", "shown for none of these"]),
        ((0.0, 0.5), ("yes", "no"), ["in 1 of 2 models; too many do in 1."]),
        (
            (0.0, 0.0),
            ("yes", "undecided"),
            ["in both models; too many do in none.", "shown for 1 of these; the others take more runs"],
        ),
        ((0.5, math.inf), ("no", "no"), ["in none of 2 models; too many do in 2."]),
    ],
)
def test_that_no_run_was_lost_is_told_from_that_few_would_be(values, verdicts, words):
    rows = [
        reply("bounded", verdict, i, value) for i, (verdict, value) in enumerate(zip(verdicts, values, strict=True))
    ]
    told = said(bounded=rows)["Free runs"]
    assert all(word in told for word in words) and ("take more runs" in told.replace("takes", "take")) == (
        "shown for" in " ".join(words)
    )


def test_what_helps_in_some_rows_is_told_with_how_many_and_by_how_much():
    rows = [reply("regime_helps", "yes", i, -beyond, f"p{i}", beyond) for i, beyond in enumerate((0.04, 0.2, math.nan))]
    found = said(memory_helps=["yes", "no", "no"], regime_helps=[*rows, reply("regime_helps", "undecided", 3, 0.0)])
    first, second = found["What helps in part"].split(". ")
    assert first.endswith("(3 of 4 models: p0, p1, p2; by 0.04 to 0.2 spreads; 1 undecided)")
    assert second.startswith("A memory, for the next frame") and second.endswith("(1 of 3 models; 2 no).")


def test_what_no_row_is_shown_to_gain_from_does_not_help_though_some_are_open():
    found = said(memory_helps=["no", "undecided"], regime_helps=["undecided"], line_passes=["no"])
    assert found["What does not"].count(".") == 2 and "(1 of 2 models; 1 undecided)." in found["What does not"]
    assert "(the one model)." in found["What does not"] and found["What is open"].endswith("(the one model).")


def test_the_numbers_of_rows_are_told_where_a_question_asks_for_them():
    rows = [reply("learned_is_heard", "no", i, value) for i, value in enumerate((1.24, 1.158, math.nan))]
    assert said(learned_is_heard=rows)["What does not"].endswith("(all 3 models; PESQ 1.2).")
    assert (
        "PESQ 1.2 to 1.9" in said(learned_is_heard=[*rows, reply("learned_is_heard", "no", 3, 1.86)])["What does not"]
    )


def test_what_was_measured_comes_first():
    told = conclusion(
        topics(bounded=["yes"]), {}, {"latents": "latents are of x", "speech": "eval 2 speakers", "commit": "1"}
    )
    assert told[0].head == "What was measured" and told[0].text == "Eval 2 speakers. Latents are of x."
    assert conclusion(topics(bounded=["yes"]), {}, {"commit": "1"})[0].head == "Free runs"


def test_how_many_known_values_were_found_is_told():
    known = topics(calibrated=[reply("calibrated", word, i, 1.0) for i, word in enumerate(("yes", "no", "yes"))])
    parts = {part.head: part.text for part in conclusion([], {"calibration": known})}
    assert parts["Is the measuring right"] == "Of 3 checks against exact values, 2 came out as they must."
    assert conclusion([], {})[-1].text.startswith("It was not checked")


def test_every_question_that_a_conclusion_is_made_of_is_there():
    names = {question.name for question in asked().questions.root}
    assert {"more_than_unordered_frames", "past_saves_bits", "forecast_direction_later", "forecast_beyond_marginal",
            "calibrated", *RUNS} <= names  # fmt: skip
