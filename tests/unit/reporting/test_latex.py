"""Names of the user's own making stand in the caption as they are written, and LaTeX can read them."""

import re

from latentdyn.reporting.latex import latex_table
from latentdyn.reporting.text import Block, Column


def test_the_caption_is_escaped():
    block = Block([Column("k", ["1"], True)])
    text = latex_table([block], [], caption="corpus known_answers, 5 %", label="tab:a_b")
    assert r"\caption{corpus known\_answers, 5 \%}" in text and r"\label{tab:a_b}" in text


def test_letters_and_signs_that_plain_latex_lacks_are_mathematics():
    block = Block([Column("α", ["ΔΩ ≥ π"], False)])
    text = latex_table([block], ["β²"], caption="φ", label="a")
    assert {r"$\alpha$", r"$\Delta$$\Omega$", r"$\geq$", r"$\beta$$^2$", r"$\phi$"} <= set(
        re.findall(r"(?:\$[^$]+\$)+", text)
    )
    assert text.isascii()


def test_what_is_scaled_to_the_page_is_no_float_and_goes_on_where_a_page_ends():
    """A float is not turned with its page, and what is scaled cannot break by itself."""
    blocks = [
        Block([Column(f"a_long_name_{i}", [f"{name}{row}.{i}" for row in range(60)], True) for i in range(20)], [name])
        for name in ("first", "second")
    ]
    text = latex_table(blocks, ["The note."], caption="C", label="tab:t")
    tables = text.split("\\clearpage")
    assert len(tables) > 2 and "\\begin{table}" not in text and "longtable}[" not in text
    assert text.count("\\caption{C}") == text.count("\\label{tab:t}") == 1
    assert ["Table" if "\\caption" in t else "continued" for t in tables] == [
        "Table",
        *["continued"] * (len(tables) - 1),
    ]
    assert all(t.count("\\begin{minipage}") == t.count("\\end{minipage}") == t.count("\\toprule") == 1 for t in tables)
    assert [f"{name}{row}.0" for name in ("first", "second") for row in range(60)] == re.findall(
        r"^(\w+\.0) &", text, re.M
    )
    rows = [len(re.findall(r"^\w+\.0 &", t, re.M)) for t in tables]
    assert max(rows) <= rows[0] + 1 and min(rows[:-1]) > 0
    assert all("\\textbf{first}" in t or "\\textbf{second}" in t for t in tables)
