"""Names of the user's own making stand in the caption as they are written, and LaTeX can read them."""

import re

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from latentdyn.reporting.latex import escaped, latex_table
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


def test_what_is_wider_than_a_page_on_its_side_stands_in_parts_that_fit():
    blocks = [
        Block(
            [
                Column("predictor", [f"{name}{row}" for row in range(60)], False),
                *(Column(f"a_long_name_{i}", [f"{row}.{i}" for row in range(60)], True) for i in range(20)),
            ],
            [name],
        )
        for name in ("first", "second")
    ]
    text = latex_table(blocks, ["The note."], caption="C", label="tab:t")
    tables = text.split("\\begin{longtable}")[1:]
    assert len(tables) == 3 and text.count("The note.") == 1 and "\\begin{landscape}" in text
    assert text.count("\\caption{C} \\label{tab:t}") == text.count("\\label{tab:t}") == 1
    told = [t.count("Table~\\ref{tab:t}, further columns") for t in tables]
    assert told == [0, 2, 2]  # at the start of a part, and on its later pages
    assert text.count("\\addtocounter{table}{-1}") == 2  # they have the number of the first
    rows = [f"{name}{row}" for name in ("first", "second") for row in range(60)]
    shown = []
    for table in tables:
        assert re.findall(r"^(\w+\d+) &", table, re.M) == rows
        assert "\\textbf{first}" in table and "\\textbf{second}" in table
        shown += re.findall(r"a\\_long\\_name\\_(\d+)", table.split("\\endfirsthead")[0])
    assert shown == [str(i) for i in range(20)]


def test_no_page_has_a_single_row_of_a_block_and_a_part_begins_where_there_is_room():
    def of(n: int, name: str) -> Block:
        columns = [Column(f"a_long_name_{i}", [f"{name}.{row}.{i}" for row in range(n)], True) for i in range(40)]
        return Block([Column("key", [f"{name}{row}" for row in range(n)], False), *columns], [name])

    text = latex_table([of(6, "six"), of(3, "three"), of(1, "one")], [], caption="C", label="l")
    kept = {row for row in re.findall(r"^(\w+\d) &.*\\\\\*$", text, re.M)}
    assert kept == {"six0", "six4", "three0", "three1"}
    n_parts = text.count("\\begin{longtable}")
    # 5 lines above and below, 10 rows, 3 headings with half a line above each, of 8 points
    assert n_parts > 2 and text.count("\\dimen0=156pt") == n_parts - 1
    assert text.index("\\begin{longtable}") < text.index("\\dimen0=156pt")  # not before the first


@given(st.text(alphabet="ab \\~^&%$#_{}"))
def test_texts_are_escaped_as_pandas_escapes_them(text):
    style = pd.DataFrame([f"x{text}x"]).style.hide(axis="index").hide(axis="columns").format(escape="latex")
    assert escaped(f"x{text}x") == style.to_latex().split("\n")[1].removesuffix(" \\\\")


def test_a_table_is_written_as_pandas_writes_it():
    columns = [Column("predictor_1", ["a & b", "c^ d"], False), Column("k", ["1", "10"], True)]
    text = latex_table([Block(columns)], [], caption="5 % of", label="tab:t")
    rows = pd.DataFrame({("predictor_1", ""): ["a & b", "c^ d"], ("k", "frames"): ["1", "10"]})
    style = rows.style.hide(axis="index").format(escape="latex").format_index(escape="latex", axis="columns")
    expected = style.to_latex(column_format="lr", hrules=True, sparse_columns=False, caption="5 \\% of", label="tab:t",
                              environment="longtable")  # fmt: skip
    assert expected.replace("& 1 \\\\", "& 1 \\\\*") in text  # two rows are kept on one page
