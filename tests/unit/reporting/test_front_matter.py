"""What the LaTeX document says beside its tables: findings, origins, names; nothing of theirs is taken for LaTeX."""

from latentdyn.reporting.findings import findings
from latentdyn.reporting.front_matter import origins_and_names, what_holds
from tests.unit.reporting.page.test_page import stored


def test_answers_stand_under_their_topic_with_the_lowest_and_the_highest_value():
    text = what_holds(findings([stored()]))
    assert "\\subsection*{Can the next frame be predicted?}" in text
    yes, no = (text.index(f"\\textbf{{{word}}} in 1 of 2 rows: cosine") for word in ("Yes", "No"))
    assert yes < no and "0.700 (x, p)" in text and "0.200 (x, q)" in text
    assert what_holds([]) == ""


def test_origins_and_names_are_escaped():
    meanings = {
        "names": {"predictors": {"a_b": ["mdn", "width 8"], "c": ["mdn", ""]}},
        "kinds": {"predictors": {"mdn": "A & B"}},
    }
    text = origins_and_names({"commit": "0_1"}, meanings)
    assert "commit: 0\\_1" in text and "\\paragraph{mdn.} A \\& B" in text
    assert "a\\_b: width 8" in text and "c: as by default" in text
    assert origins_and_names({}, {}) == ""
