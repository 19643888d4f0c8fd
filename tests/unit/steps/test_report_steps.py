"""The page and the paper of a corpus, from files as the other steps leave them."""

import base64
import json

import numpy as np
import pandas as pd
import pytest
import soundfile

from latentdyn.errors import UserError
from latentdyn.files import read_json
from latentdyn.parquet import write_parquet
from latentdyn.reporting.sheet import Sheet, write_sheet
from latentdyn.reporting.stored import write_stored

PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==")


@pytest.fixture
def corpus(tmp_path):
    """A folder with one table and its figure."""
    tables = tmp_path / "c/tables"
    rows = pd.DataFrame({"representation": ["x"], "dnll": [-1.0]})
    sheet = Sheet(rows, ["Corpus `c`."], {"dnll": 2}, caption="Of x.")
    write_sheet(sheet, *(tables / f"t.{form}" for form in ("csv", "md", "tex")))
    write_stored(tables / "t.sheet.json", sheet, tables / "t.csv", {"kind": "lagged"}, {"corpus": "c"})
    (tmp_path / "c/figures").mkdir()
    (tmp_path / "c/figures/t.svg").write_text("<svg/>")
    return tmp_path / "c"


def test_the_page_shows_what_is_there_and_names_what_is_not(corpus, call):
    sheets = [corpus / f"tables/{name}.sheet.json" for name in ("t", "later")]
    figures = [corpus / f"figures/{name}.svg" for name in ("t", "later")]
    call("write_report", corpus="c", results=corpus, sheets=sheets, figures=figures, page=corpus / "report.html")
    text = (corpus / "report.html").read_text(encoding="utf-8")
    assert "<code>later</code>: it has not been made yet" in text and 'id="table-t"' in text and "-1.00" in text
    assert text.count("data:image/svg+xml;base64,PHN2Zy8+") == 1
    record = read_json(corpus / "report.run.json", made_by="")
    assert list(record["files"]) == ["report.html"]


def test_the_page_says_what_speech_it_is_of_and_what_its_names_mean(corpus, call):
    splits = pd.DataFrame(
        {"speaker_id": ["a", "b", "c"], "sex": None, "split": ["train", "eval", "train"], "n_utterances": [2, 3, 4],
         "duration_s": [1800.0, 3600.0, 1800.0]}
    )  # fmt: skip
    write_parquet(corpus / "splits.parquet", splits)
    meanings = {
        "names": {"predictors": {"one<b>": ["mdn", "training.steps 10"]}},
        "kinds": {"predictors": {"mdn": "A mixture."}},
    }
    call("write_report", corpus="c", results=corpus, sheets=[corpus / "tables/t.sheet.json"],
         page=corpus / "report.html", splits=corpus / "splits.parquet", meanings=json.dumps(meanings))  # fmt: skip
    text = (corpus / "report.html").read_text(encoding="utf-8")
    assert "eval 1 speakers, 3 utterances of 1 hours; train 2 speakers, 6 utterances of 1 hours" in text
    row = text[text.index("one&lt;b&gt;") :]
    assert row.index("<code>mdn</code>") < row.index("A mixture.") < row.index("training.steps 10")


def test_sounds_get_the_room_that_the_rest_of_the_page_leaves(corpus, call):
    folder = corpus / "x/free_listening.heard"
    folder.mkdir(parents=True)
    noise = np.random.default_rng(0).normal(0, 0.1, 64_000)
    for utterance in ("u1", "u2"):
        soundfile.write(folder / f"{utterance}.original.wav", noise, 16_000)

    def page_of(most_mb: float) -> str:
        call("write_report", corpus="c", results=corpus, sheets=[corpus / "tables/t.sheet.json"], heard=[folder],
             page=corpus / "report.html", most_mb=most_mb)  # fmt: skip
        return (corpus / "report.html").read_text(encoding="utf-8")

    whole, silent = page_of(25), page_of(0)
    assert (whole.count("<audio"), silent.count("<audio")) == (2, 0)
    lists = 0.2e6  # kept for names
    room_for_one = lists + len(silent) + 0.75 * (len(whole) - len(silent))
    half = page_of(room_for_one / 1e6)
    assert half.count("<audio") == 1 and len(half) < room_for_one and "x, u2" in half


def test_a_table_that_is_not_as_it_was_written_is_refused(corpus, call):
    (corpus / "tables/t.csv").write_text("representation,dnll\nx,-9\n")
    with pytest.raises(UserError, match=r"not as it was written.*t\.csv"):
        call(
            "write_report", corpus="c", results=corpus, sheets=[corpus / "tables/t.sheet.json"], page=corpus / "p.html"
        )
    assert not (corpus / "p.html").exists()


def test_the_paper_holds_every_form_of_every_table(corpus, call):
    (corpus / "figures/t.png").write_bytes(PNG)
    folder = corpus / "paper"
    call("write_paper", corpus="c", corpus_kind="folder", results=corpus, sheets=[corpus / "tables/t.sheet.json"],
         figures=[corpus / "figures/t.png"], folder=folder)  # fmt: skip
    names = {path.name for path in folder.iterdir()}
    assert {"t.csv", "t.md", "t.tex", "t.png", "paper.tex", "files.run.json"} <= names
    record = read_json(folder / "files.run.json", made_by="")
    assert record["files"].keys() == names - {"files.run.json"}
    assert ("paper.pdf" in names) == record["pdf"].startswith("Compiled by ")
