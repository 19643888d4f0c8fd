"""The page: nothing is loaded, nothing of the results runs, and a reader without a mouse or eyes finds the way."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import soundfile

from latentdyn.errors import UserError
from latentdyn.files import write_json
from latentdyn.parquet import write_parquet
from latentdyn.reporting.criteria import criteria
from latentdyn.reporting.findings import findings, summary
from latentdyn.reporting.origins import Origins, citation, frame_rates, latents_of, material, origins
from latentdyn.reporting.page import tables
from latentdyn.reporting.page.audio import heard
from latentdyn.reporting.page.judge import judge
from latentdyn.reporting.page.render import Page, render
from latentdyn.reporting.page.tables import page_table
from latentdyn.reporting.sheet import Sheet
from latentdyn.reporting.stored import StoredSheet

EVIL = "<script>alert('x')</script><img src=http://x.example/y onerror=alert(1)>"


def stored(name: str = "t", text: str = "x", n_columns: int = 0) -> StoredSheet:
    rows = pd.DataFrame(
        {"representation": [text, text], "predictor": ["p", "q"], "split": "eval", "slice": "all", "k": 1,
         "cosine": [0.7, 0.2], "cosine_ci_low": [0.69, 0.1], "cosine_ci_high": [0.71, 0.3], "cosine_white_noise": 0.5,
         "dnll_median": [-1.0, 2.0], **{f"more_{i}": i for i in range(n_columns)}}
    )  # fmt: skip
    notes = [f"Corpus `{text}`.", f"**Caution:** {text} is few."]
    sheet = Sheet(rows, notes, {"cosine": 3}, caption=f"Of {text}.", by=("representation",))
    return StoredSheet(name, "0" * 64, {"kind": "lagged", "said": text}, {"corpus": text}, sheet)


def page(*tables: StoredSheet, **facts: object) -> Page:
    shown = dict(
        corpus="c", tables=[page_table(table) for table in tables], figures={"t": "data:image/svg+xml;base64,PA=="},
        topics=findings(tables), certificates={}, missing={}, heard=[], left_out=[], origins=Origins([], {}, []),
        facts={"commit": "abc"}, settings={table.name: str(table.settings) for table in tables},
        digests={table.name: table.sha256 for table in tables},
    )  # fmt: skip
    return Page(**{**shown, **facts})


class Elements(HTMLParser):
    """The elements of a page, in their order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def of(self, *tags: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.found if tag in tags]


def test_names_and_texts_of_results_never_become_elements():
    evil = stored("t", EVIL)
    text = render(page(evil, corpus=EVIL, missing={EVIL: EVIL}, left_out=[EVIL], facts={EVIL: EVIL},
                       origins=Origins([], {EVIL: EVIL}, [EVIL])))  # fmt: skip
    elements, harmless = Elements(text), Elements(render(page(stored("t"))))
    assert len(elements.of("script")) == 1 and len(elements.of("img")) == len(harmless.of("img")) == 1
    assert not [name for _, attributes in elements.found for name in attributes if name.startswith("on")]
    assert text.count("alert(") == text.count("alert(&#39;x&#39;)") + text.count("onerror=alert(1)&gt;") > 10


def test_nothing_is_loaded():
    text = render(page(stored()))
    addresses = [
        a[name] for _, a in Elements(text).found for name in ("src", "href", "action", "srcset", "data") if name in a
    ]
    assert addresses and all(re.match(r"#|data:", address) for address in addresses)
    assert not re.search(r"https?://|url\(|@import|fetch\(|XMLHttp", text)
    (policy,) = [a["content"] for a in Elements(text).of("meta") if a.get("http-equiv")]
    assert policy.startswith("default-src 'none'") and "'sha256-" in policy and "script-src 'unsafe" not in policy


def certificate() -> StoredSheet:
    rows = pd.DataFrame({"process": ["a", "b", "b"], "diagnostic": ["dnll", "decoded_skill", "state_information_whole"],
                         "measured": [1.0, 0.25, 3.5], "agrees": ["2 %", "2 %", "no"]})  # fmt: skip
    sheet = Sheet(rows, [], {}, columns=("process", "diagnostic", "measured", "agrees"), by=("process",))
    return StoredSheet("calibration", "0" * 64, {"kind": "calibration"}, {}, sheet)


def test_the_judge_of_learned_representations_is_shown_beside_them_alone():
    learned = replace(stored(), settings={"kind": "learned"})
    assert judge([stored()], [certificate()]) is None
    text = render(page(learned, judge=judge([learned], [certificate()])))
    assert "1 of 2 rows agree" in text and "3.5" in text and "dnll</td>" not in text
    for others in ([], [stored()]):  # none, or one that holds nothing of it
        text = render(page(learned, judge=judge([learned], others)))
        assert "--configfile config/calibration.yaml</code>" in text and 'id="judge"' not in text


def test_headings_labels_and_links_lead_through_the_page():
    shown = judge([replace(stored(), settings={"kind": "learned"})], [certificate()])
    known = {"calibration": findings([stored()])}
    elements = Elements(render(page(stored(), certificates=known, judge=shown, left_out=["a"])))
    levels = [int(tag[1]) for tag, _ in elements.found if re.fullmatch(r"h\d", tag)]
    assert levels.count(1) == 1 and levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    ids = [a["id"] for _, a in elements.found if "id" in a]
    assert len(ids) == len(set(ids))
    inner = {a["href"][1:] for a in elements.of("a")}
    assert inner <= set(ids)
    named = {a["aria-labelledby"] for _, a in elements.found if "aria-labelledby" in a}
    assert named <= set(ids) and all(a.get("alt") for a in elements.of("img"))
    assert all(a.get("tabindex") == "0" and a.get("aria-label") for a in elements.of("div"))
    assert elements.of("button") and all(a.get("type") == "button" for a in elements.of("button"))


def test_about_ten_columns_are_shown_at_first_and_all_are_there():
    table = page_table(stored(n_columns=30))
    main = [column.name for column in table.columns if column.main]
    assert main[:4] == ["representation", "predictor", "cosine", "cosine_white_noise"] and len(main) == 10
    assert len(table.columns) == 8 + 30  # the two bounds stand in the cell of their value
    (cosine,) = [column for column in table.columns if column.name == "cosine"]
    assert cosine.cells[0].text == "0.700 [0.690, 0.710]" and cosine.cells[0].sort == "0.7"
    assert "Higher is better." in cosine.hint and cosine.unit == ""
    (median,) = [column for column in table.columns if column.name == "dnll_median"]
    assert median.unit == "nats/frame" and "Here the median over frames." in median.hint


def test_a_table_that_is_too_large_for_a_page_is_cut_and_says_so(monkeypatch):
    assert page_table(stored()).cut == ""
    monkeypatch.setattr(tables, "_MOST_CELLS", 24)
    table = page_table(stored(n_columns=30))  # 2 rows of 10 main columns and 28 others
    assert (table.n_rows, len(table.columns), table.cut) == (2, 12, "The CSV holds 26 more columns.")
    monkeypatch.setattr(tables, "_MOST_CELLS", 10)
    table = page_table(stored(n_columns=30))
    assert (table.n_rows, len(table.columns)) == (
        1,
        10,
    ) and table.cut == "The CSV holds 1 more row and 28 more columns."
    assert table.cut in render(page(stored(n_columns=30)))


def test_answers_that_differ_from_row_to_row_stand_together_and_are_counted():
    (topic,) = topics = findings([stored("a"), stored("b")])
    (finding,) = topic.findings
    assert (topic.name, finding.kind) == ("next", "mixed")
    assert [(answer.word, answer.extent) for answer in finding.answers] == [
        ("Yes", "in 1 of 2 rows"), ("No", "in 1 of 2 rows")
    ]  # fmt: skip
    assert {table for answer in finding.answers for table, _ in answer.rows} == {"a"}, "b has the very same rows"
    assert summary(topics).startswith("1 question is asked") and "0 are answered by yes in every row" in summary(topics)
    assert findings([]) == [] and summary([]).startswith("None of the questions")


def test_a_question_that_all_rows_answer_alike_is_counted_with_its_answer():
    whole = stored("a")
    for name, i, words in (("yes", 0, "1 are answered by yes in every row"), ("no", 1, "1 by no in every row")):
        rows = whole.sheet.rows.iloc[[i]].reset_index(drop=True)
        topics = findings([replace(whole, sheet=replace(whole.sheet, rows=rows))])
        ((finding,),) = (topic.findings for topic in topics)
        assert (finding.kind, [a.extent for a in finding.answers]) == (name, ["in the one row"])
        assert words.replace("1 are", "1 is") in summary(topics)


def brief(*tables: StoredSheet) -> list[str]:
    ((finding,),) = (topic.findings for topic in findings(tables))
    return [answer.brief for answer in finding.answers]


def rows_of(table: StoredSheet, **columns: object) -> StoredSheet:
    return replace(table, sheet=replace(table.sheet, rows=table.sheet.rows.assign(**columns)))


def test_in_brief_numbers_of_one_column_are_told_with_their_rows():
    low = rows_of(stored("t"), cosine=[0.7, 0.8], cosine_ci_low=[0.6, 0.7], cosine_ci_high=0.9)
    assert brief(low) == ["cosine 0.700 (x, p) to 0.800 (x, q)"]
    assert brief(rows_of(low, cosine=0.8)) == ["cosine 0.800"], "both rows have it"
    assert brief(stored("t")) == ["cosine 0.700 (x, p)", "cosine 0.200 (x, q)"]


def test_in_brief_what_is_undecided_is_told_with_the_interval_that_leaves_it_so():
    table = rows_of(stored("t"), cosine=[0.5, 0.6], cosine_ci_low=0.4, cosine_ci_high=0.7)
    assert brief(table) == ["cosine 0.500 [0.400, 0.700] (x, p) to 0.600 [0.400, 0.700] (x, q)"]
    assert brief(rows_of(table, cosine=0.5)) == ["cosine 0.500 [0.400, 0.700]"]


def of_kind(kind: str, **columns: object) -> StoredSheet:
    return StoredSheet(kind, "0" * 64, {"kind": kind}, {}, Sheet(pd.DataFrame(columns), []))


def test_in_brief_numbers_of_several_columns_are_told_apart_and_words_not_at_all():
    place, ends = {"predictor": "p", "split": "eval", "mode": "D"}, ("", "_ci_low", "_ci_high")
    steps = of_kind("injection", representation=["x", "y"], **place, **{f"cosine{end}": 0.5 for end in ends})
    whole = of_kind("tradeoff", representation=["z"], **place, **{f"forecast_cosine{end}": 0.25 for end in ends})
    assert brief(steps, whole) == ["forecast_cosine 0.25 (z, p); cosine 0.5 [0.5, 0.5]"]
    told = {"predictor": ["p", "q"], "helps": "no", "positive_control": [1.0, 2.0]}
    assert brief(of_kind("memory", representation="x", **told)) == [""], "no row speaks for the others"


def runs_of(name: str, shares: dict[str, float], seeds: int | None = None) -> StoredSheet:
    """Free runs of some predictors, with intervals that decide."""
    ends = {"": 0.0, "_ci_low": -0.001, "_ci_high": 0.001}
    columns = {f"unbounded{end}": [share + more for share in shares.values()] for end, more in ends.items()}
    table = of_kind("free_runs", representation="x", predictor=list(shares), split="eval", mode="sampled", **columns)
    return replace(rows_of(table, **({"seeds": seeds} if seeds else {})), name=name)


def test_a_model_counts_once_by_the_table_whose_row_is_the_mean_of_the_most_trainings():
    tables = [
        runs_of("first", {"p": 0.3, "q": 0.0}),
        runs_of("means", {"p": 0.0, "r": 0.5}, 3),
        runs_of("late", {"q": 0.9}),
    ]
    ((finding,),) = (topic.findings for topic in findings(tables))
    told = {a.verdict: [(table, reply.row) for table, reply in a.rows] for a in finding.answers}
    assert told == {"yes": [("first", "x, q"), ("means", "x, p")], "no": [("means", "x, r")]}
    assert [answer.extent for answer in finding.answers] == ["in 2 of 3 rows", "in 1 of 3 rows"]
    assert finding.counted == "3 models; 2 rows are the mean of 3 trainings"


def test_a_model_that_one_table_has_no_number_of_counts_by_the_other():
    tables = [runs_of("empty", {"p": np.nan}, 3), runs_of("known", {"p": 0.0})]
    ((finding,),) = (topic.findings for topic in findings(tables))
    assert [(a.word, [table for table, _ in a.rows]) for a in finding.answers] == [("Yes", ["known"])]


def test_rows_of_a_model_at_several_steps_are_told_from_models():
    ends = {f"cosine{end}": [0.3, 0.2, 0.1, 0.3] for end in ("", "_ci_low", "_ci_high")}
    table = of_kind("injection_steps", representation="x", predictor=["p", "p", "p", "q"], split="eval", mode="D",
                    step=[2, 3, 4, 2], **ends)  # fmt: skip
    (finding,) = findings([table])[0].findings
    assert finding.counted == "4 rows of 2 models"


def test_numbers_of_frames_of_different_rates_stand_apart_where_all_rates_are_known():
    ends = {f"dnsmos_over_true{end}": [-2.0, -1.0, -0.5] for end in ("", "_ci_low", "_ci_high")}
    table = of_kind("free_listening", representation=["fast", "slow", "slow"], by=["p", "p", "q"], split="eval",
                    mode="sampled", **ends)  # fmt: skip
    for rates, told in (
        ({"fast": 50.0, "slow": 12.5}, "at 50 Hz, dnsmos_over_true -2 (fast, p); "
         "at 12.5 Hz, dnsmos_over_true -1 (slow, p) to -0.5 (slow, q)"),
        ({"slow": 12.5}, "dnsmos_over_true -2 (fast, p) to -0.5 (slow, q)"),
        ({"fast": 50.0, "slow": 50.0}, "dnsmos_over_true -2 (fast, p) to -0.5 (slow, q)"),
    ):  # fmt: skip
        (finding,) = findings([table], rates)[0].findings
        assert [answer.brief for answer in finding.answers] == [told]


def test_a_control_that_several_rows_have_is_shown_once_with_what_must_be_known_of_it():
    ends = {f"classifier_accuracy{end}": [0.6, 0.45, 0.6, 0.45] for end in ("", "_ci_low", "_ci_high")}
    table = of_kind("free_runs", representation="x", predictor=["p", "p", "q", "q"], split="eval",
                    mode=["sampled", "half"] * 2, **ends)  # fmt: skip
    (finding,) = findings([table])[0].findings
    assert [reply.row for _, reply in finding.controls] == ["x, half"]
    assert "One draw of the halves" in finding.about_controls and finding.about_controls in plain(
        render(page(topics=findings([table])))
    )
    alone = rows_of(table, mode="sampled", predictor=["p", "q", "r", "s"])
    assert findings([alone])[0].findings[0].about_controls == ""


def plain(text: str) -> str:
    """What stands on a page."""
    return re.sub("<[^>]+>", "", text)


def test_rows_of_one_table_with_the_same_numbers_are_all_told():
    bounded = dict.fromkeys(("unbounded", "unbounded_ci_low", "unbounded_ci_high"), 0.0)
    table = of_kind("free_runs", representation="x", mode="sampled", regime=["noisy", "unrolled"], **bounded)
    ((finding,),) = (topic.findings for topic in findings([table, replace(table, name="u")]))
    assert [(answer.word, answer.extent) for answer in finding.answers] == [("Yes", "in both rows")]


def test_a_question_that_leads_does_so_in_whatever_order_tables_come():
    question = next(entry.question for entry in criteria().gates.root if entry.name == "runs_bounded")
    gates = gates_of("gates", gate="runs_bounded", question=question)
    runs = of_kind("free_runs", representation="x", mode=["sampled"], unbounded=0.5)
    for order in ([gates, runs], [runs, gates]):
        (topic,) = findings(order)
        assert [finding.question for finding in topic.short] == [question]
    (topic,) = found = findings([gates])
    assert topic.short == [], "nothing answers it"
    assert "In short" not in render(page(topics=found)) and "In short" in render(page(topics=findings([gates, runs])))


def gates_of(name: str, **columns: object) -> StoredSheet:
    rows = {"gate": "direction_sustained", "representation": None, "predictor": None, "split": "eval",
            "measured": None, "ci_low": None, "ci_high": None, "comparison": ">", "threshold": 0.6,
            "verdict": "not measured", "why": "no forecasts", "question": "Is it?", **columns}  # fmt: skip
    return StoredSheet(name, "0" * 64, {"kind": "gates"}, {}, Sheet(pd.DataFrame([rows]), [], {"measured": 1}))


def test_a_gate_and_the_row_that_answers_it_are_told_once():
    question = "Is PESQ of the decoded latents above 2?"
    bounds = {"ci_low": 3.0, "ci_high": 3.5}
    gates = gates_of("gates", gate="pesq_above_2", question=question, representation="x", measured=3.2, verdict="met",
                     **bounds)  # fmt: skip
    pesq = {"pesq": 3.2, **{f"pesq_{end}": value for end, value in bounds.items()}}
    heard = of_kind(
        "decoder_tolerance", representation=["x", "x"], split="eval", mode="noisy", sigma=[0.0, 0.5], **pesq
    )
    for order in ([gates, heard], [heard, gates]):
        ((finding,),) = (topic.findings for topic in findings(order))
        assert [answer.extent for answer in finding.answers] == ["in the one row"]


def test_that_a_table_cannot_answer_is_told_only_where_none_answers():
    lacking = gates_of("lacking")
    answered = gates_of("answered", representation="x", measured=0.9, ci_low=0.8, ci_high=1.0, verdict="met",
                        why="")  # fmt: skip
    ((finding,),) = (topic.findings for topic in findings([lacking, answered]))
    assert finding.kind == "yes" and [table for table, _ in finding.answers[0].rows] == ["answered"]
    ((finding,),) = (topic.findings for topic in findings([lacking]))
    assert finding.kind == "missing" and finding.answers[0].rows[0][1].said == "no forecasts"


@pytest.mark.parametrize(
    ("column", "unit", "words"),
    [
        ("state_information_over_sfa", "nats/frame", "than the control of kind `sfa`"),
        ("decoded_skill_to_reference_4", "", "less the reference's"),
        ("state_information_window_1", "nats/frame", "Here of a window"),
        ("state_information_cca_8", "nats/frame", "best straight combinations"),
        ("state_information_whole_2", "nats/frame", "voice and room too"),
        ("way_back", "", "inverse of each link"),
    ],
)
def test_a_column_that_sets_a_metric_beside_something_has_its_unit_and_says_beside_what(column, unit, words):
    found = tables._facts(column)
    assert found[0] == unit and words in found[1]


# ------------------------------------------------------------------------------------------------------- sounds


@pytest.fixture
def folder(tmp_path):
    """Two utterances of three presentations: loud, quiet, silent."""
    made = tmp_path / "mel/exp.heard"
    made.mkdir(parents=True)
    sound = np.sin(np.arange(8000) * 0.2)
    for utterance in ("u1", "u2"):
        for name, level in (("step10", 0.5), ("step2", 0.01), ("original", 0.0)):
            soundfile.write(made / f"{utterance}.{name}.wav", level * sound, 16000, subtype="PCM_16")
    return made


def test_sounds_are_as_loud_as_each_other_as_far_as_silence_allows(folder, tmp_path):
    found, left_out = heard([folder], tmp_path, 10_000_000)
    assert left_out == [] and [(one.place, one.utterance) for one in found] == [("mel", "u1"), ("mel", "u2")]
    clips = found[0].clips
    assert [clip.name for clip in clips] == ["original", "step2", "step10"]
    # a sine of level a has a/√2 RMS; -23 dBFS is wanted, and at most 20 dB are given
    assert [round(clip.gain_db, 1) for clip in clips] == [0.0, 20.0, round(-23 - 20 * np.log10(0.5 / np.sqrt(2)), 1)]
    assert all(clip.url.startswith("data:audio/mpeg;base64,") for clip in clips)


def test_what_does_not_fit_is_named(folder, tmp_path):
    found, left_out = heard([folder], tmp_path, 0)
    assert found == [] and left_out == ["exp of mel, u1", "exp of mel, u2"]
    size = sum(len(clip.url) for clip in heard([folder], tmp_path, 10**9)[0][0].clips)
    found, left_out = heard([folder], tmp_path, size)
    assert [one.utterance for one in found] == ["u1"] and left_out == ["exp of mel, u2"]


# ------------------------------------------------------------------------------------------------------- origins


def test_run_records_are_summed_up_by_rule(tmp_path):
    record = {"finished": "2026-01-01T00:00:00Z", "seconds": 60.0, "python": "3", "platform": "L", "latentdyn": "0",
              "packages": {"numpy": "2"}, "files": {}}  # fmt: skip
    measure = {
        **record,
        "command": ["a/measure.py", "--identity", '{"measurement": "lagged"}'],
        "device": {"type": "cpu"},
    }
    write_json(tmp_path / "x/seed0/metrics.run.json", {**measure, "peak_mb": 5})
    write_json(tmp_path / "x/seed1/metrics.run.json", {**measure, "seconds": 3600.0, "commit": "abc", "peak_mb": 7})
    write_json(tmp_path / "x/seed2/metrics.run.json", measure)  # of an older version
    write_json(tmp_path / "x/seed1/e.heard/files.run.json", measure)  # of the same job
    train = {**record, "command": ["a/train_model.py", "--kind", "predictor"], "finished": "2025-01-01T00:00:00Z"}
    write_json(tmp_path / "x/seed0/predictor.run.json", train)
    (tmp_path / "x/seed0/bad.run.json").write_text("{")
    found = origins(tmp_path)
    assert [(s.rule, s.jobs, s.duration, s.peak_mb, s.devices) for s in found.stages] == [
        ("train_predictor", 1, "1 min 0 s", None, ""), ("measure_lagged", 3, "1 h 2 min", 7, "cpu")
    ]  # fmt: skip
    assert found.environment["commit"] == "abc" and found.environment["packages"] == "numpy 2"
    assert found.damaged == ["x/seed0/bad.run.json"]


def test_what_results_are_made_of_is_told_with_its_digests(tmp_path):
    assert material(tmp_path) == {}
    paths = ["train/1/a.flac", "train/2/b.flac", "dev/3/c.flac"]
    write_parquet(tmp_path / "manifest.parquet", pd.DataFrame({"path": paths}))
    write_json(tmp_path / "manifest.json", {"n_utterances": 3, "digest": "0abc"})
    for name, lineage in (("codec", [{}]), ("pca", [{}, {}])):  # weights are told once, of the codec
        (tmp_path / name).mkdir()
        write_json(tmp_path / name / "latents.json", {"lineage": lineage, "weights_sha256": "1def"})
    told = material(tmp_path)
    assert list(told) == ["utterances", "weights of codec"] and told["weights of codec"] == "sha256 1def"
    assert told["utterances"].startswith("1 in dev, 2 in train;") and told["utterances"].endswith("0abc")
    for others in (["a.wav", "b.wav", "c.wav"], [f"speaker{i}/a.wav" for i in range(9)]):
        write_parquet(tmp_path / "manifest.parquet", pd.DataFrame({"path": others}))
        assert material(tmp_path)["utterances"].startswith("3; each with the sha256")


def test_utterances_without_recordings_are_counted_and_a_damaged_list_is_told(tmp_path):
    write_parquet(tmp_path / "manifest.parquet", pd.DataFrame({"utterance_id": ["a", "b"]}))
    write_json(tmp_path / "manifest.json", {"n_utterances": 2, "digest": "0abc"})
    assert material(tmp_path) == {"utterances": "2, without recordings; the digest of their list is 0abc"}
    (tmp_path / "manifest.parquet").write_bytes(b"PAR1")
    with pytest.raises(UserError, match="manifest"):
        material(tmp_path)


def test_a_page_says_how_to_cite_it_and_names_no_authors():
    one, other = citation({"commit": "abc"}, ['{"seeds": [0]}']), citation({"commit": "abc"}, ['{"seeds": [1]}'])
    assert re.fullmatch(r"latentdyn [\d.]+\S*, commit abc, settings [0-9a-f]{16}", one) and one != other
    assert "commit" not in citation({}, [])
    text = plain(render(page(stored(), citation=one)))
    assert f"To cite this page: {one}." in text and "No authors are given." in text
    assert "To cite" not in render(page(stored()))


def test_frame_rates_are_those_of_handles(tmp_path):
    for name, facts in (("fast", {"frame_rate_hz": 50.0}), ("unknown", {"frame_rate_hz": None}), ("old", {})):
        (tmp_path / name).mkdir()
        write_json(tmp_path / name / "latents.json", facts)
    assert frame_rates(tmp_path) == {"fast": 50.0}


def test_latents_are_those_of_codecs_and_what_is_made_of_them(tmp_path):
    assert latents_of(tmp_path) == ""
    known = (("codec", 64, 50.0, 1), ("pca", 8, 50.0, 2), ("pooled", 64, 12.5, 2), ("pca__white", 8, 50.0, 3),
             ("old", 8, None, 1))  # fmt: skip
    for name, dim, rate, links in known:
        (tmp_path / name).mkdir()
        write_json(tmp_path / name / "latents.json", {"dim": dim, "frame_rate_hz": rate, "lineage": [{}] * links})
    assert latents_of(tmp_path) == (
        "latents are of codec, 64 dimensions at 50 Hz; of old, 8 dimensions; 2 representations are made of them, "
        "of 8 to 64 dimensions at 12.5, 50 Hz"
    )
    facts = {"latents": "latents are of codec, 64 dimensions at 50 Hz"}
    text = plain(render(page(runs_of("runs", {"p": 0.0}), figures={}, facts=facts)))
    assert "What was measured. Latents are of codec, 64 dimensions at 50 Hz." in text


def test_a_page_begins_with_what_all_answers_come_to_whatever_was_measured():
    bounded = runs_of("runs", {"p": 0.0})
    labels = rows_of(of_kind("phones", representation=["x"], phone_information=1.0, phone_information_permuted=0.5))
    for shown, words in (
        ([bounded], "In the one model no free run left the data behind"),
        (
            [stored()],
            "The direction of the next step is predicted better than that of white noise in 1 of 2 models (1 no).",
        ),
        ([labels], "Answers stand below, but none to a question that a conclusion is drawn from."),
        ([], "Nothing was measured that answers a question of this page."),
    ):
        text = plain(render(page(*shown, figures={})))
        assert words in text and text.index("Conclusion") < text.index("What holds, and what does not")
