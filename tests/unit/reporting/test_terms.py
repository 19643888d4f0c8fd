"""Words that are explained where they first stand; what is not of the file stays text."""

import re
from dataclasses import replace

import pytest

from latentdyn.errors import UserError
from latentdyn.reporting import terms as module
from latentdyn.reporting.entries import read_entries
from latentdyn.reporting.findings import findings
from latentdyn.reporting.page.render import render
from latentdyn.reporting.terms import Explained, terms
from tests.unit.reporting.page.test_page import page, rows_of, stored


def test_a_word_is_explained_once_where_it_first_stands():
    explained = Explained()
    first = explained("Do free runs of skip_noisy hold, and a vMF?")
    assert re.findall(r"<abbr title=\"[^\"]+\">([^<]+)</abbr>", first) == ["free runs", "skip", "vMF"]
    assert explained("free run, vmf, skip") == "free run, vmf, skip"


def test_a_word_within_another_one_is_not_it():
    assert "abbr" not in Explained()("skipping, levels, calmly, spca")
    assert "abbr" not in Explained()("it sounds natural, level_gain, the principal of a school, forced to stay")


def test_of_two_words_that_overlap_one_is_explained():
    assert Explained()("natural axes").count("<abbr") == 1


def test_text_and_explanations_are_escaped():
    text = Explained()('<b>vMF</b> & "x"')
    assert text.startswith("&lt;b&gt;<abbr title=") and text.endswith("</abbr>&lt;/b&gt; &amp; &#34;x&#34;")
    assert all("<" not in match for match in re.findall(r'title="([^"]*)"', text))


@pytest.mark.parametrize(
    "text",
    ["CALM's parts", "engram_skip", "skip_natural", "mdn_principal", "principal axes", "skip_noisy", "level form",
     "level_natural", "vmf_unrolled", "PCA-32", "PESQ", "DNSMOS"],
)  # fmt: skip
def test_what_strangers_did_not_know_is_there(text):
    assert "<abbr" in Explained()(text)


def test_a_page_lists_the_words_that_it_uses_and_no_others():
    table = rows_of(stored(), predictor=["vmf_a", "q"])
    text = render(page(table, topics=findings([table])))
    (shown,) = re.findall(r'<details class="words-used">(.*?)</details>', text, re.DOTALL)
    assert "Von Mises-Fisher" in shown and "Engram" not in shown
    assert "words-used" not in render(page(stored(), tables=[], topics=[]))


def test_names_differ_and_a_slip_of_the_pen_is_told(tmp_path):
    assert len({term.name for term in terms()}) == len(terms())
    (tmp_path / "t.yaml").write_text("terms: [{name: a, words: [], says: b}]")
    with pytest.raises(UserError, match="words"):
        read_entries(tmp_path / "t.yaml", module._Terms)


def test_words_of_rows_and_of_captions_are_explained_where_they_first_stand():
    table = rows_of(stored(), predictor=["engram_a", "q"])
    table = replace(table, sheet=replace(table.sheet, caption="CALM's parts."))
    text = render(page(table, topics=findings([table])))
    assert len(re.findall(r"<abbr [^>]+>(engram)</abbr>_a", text)) == 1
    assert len(re.findall(r"<abbr [^>]+>CALM</abbr>'s parts|<abbr [^>]+>CALM</abbr>&#39;s parts", text)) == 1
