"""What the LaTeX document says beside its tables: findings, origins, names; nothing of theirs is taken for LaTeX."""

import pandas as pd

from latentdyn.reporting.findings import findings
from latentdyn.reporting.front_matter import origins_and_names, what_holds, why_trusted
from latentdyn.reporting.latex import Room
from latentdyn.reporting.sheet import Sheet
from latentdyn.reporting.stored import StoredSheet
from tests.unit.reporting.page.test_page import stored


def test_answers_stand_under_their_topic_with_the_lowest_and_the_highest_value():
    text = what_holds(findings([stored()]), {}, {}, ["A free run."])
    assert "\\subsection*{Can the next frame be predicted?}" in text
    yes, no = (text.index(f"\\textbf{{{word}}} in 1 of 2 rows: cosine") for word in ("Yes", "No"))
    assert "\\textbf{free run}: A long series" in text and "Engram" not in text
    assert yes < no and "0.700 (x, p)" in text and "0.200 (x, q)" in text
    assert what_holds([], {}, {}) == ""


def test_origins_and_names_are_escaped():
    meanings = {
        "names": {"predictors": {"a_b": ["mdn", "width 8"], "c": ["mdn", ""]}},
        "kinds": {"predictors": {"mdn": "A & B"}},
    }
    text = origins_and_names({"commit": "0_1"}, meanings)
    assert "commit: 0\\_1" in text and "\\paragraph{mdn.} A \\& B" in text
    assert "a\\_b: width 8" in text and "c: as by default" in text
    assert origins_and_names({}, {}) == ""


def certificate(agrees: list[str]) -> StoredSheet:
    rows = pd.DataFrame(
        {
            "process": ["var_1", "var_1", "jumps"],
            "diagnostic": ["dnll", "dnll", "nll"],
            "agrees": agrees,
        }
    )
    return StoredSheet("calibration", "0", {}, {}, Sheet(rows, ["**3 of 3 rows agree.** Corpus `k`.", "More."]))


def test_exact_answers_are_counted_by_process_and_by_how_they_agree():
    text = why_trusted([certificate(["interval", "no", "2 %"])], Room(500, 700))
    assert "2 of 3 exact answers agree" in text and "Why the measuring can be trusted" in text
    assert "process & what was measured of it & answers & interval & 2 \\% & no \\\\" in text and "moved" not in text
    assert "var\\_1 & dnll & 2 & 1 &  & 1 \\\\" in text and "jumps & nll & 1 &  & 1 &  \\\\" in text
    assert "`moved`" not in why_trusted([certificate(["moved"] * 3)], Room(500, 700))
    assert "outliers must move" in why_trusted([certificate(["moved"] * 3)], Room(500, 700))
    assert "\\textbf{3 of 3 rows agree.} Corpus \\texttt{k}." in text and "More." not in text
    assert why_trusted([], Room(500, 700)) == ""
