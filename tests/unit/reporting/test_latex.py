"""Names of the user's own making stand in the caption as they are written, and LaTeX can read them."""

import re

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from latentdyn.reporting.latex import Room, escaped, latex_table
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


def test_what_is_wider_than_a_page_stands_in_parts_that_fit():
    blocks = [
        Block(
            [
                Column("predictor", [f"{name}{row}" for row in range(60)], False),
                *(Column(f"number{i}", [f"{row:07}.{i}" for row in range(60)], True) for i in range(20)),
            ],
            [name],
        )
        for name in ("first", "second")
    ]
    text = latex_table(blocks, ["The note."], caption="C", label="tab:t")
    tables = text.split("\\begin{longtable}")[1:]
    assert len(tables) == 3 and text.count("The note.") == 1
    assert "\\begin{landscape}" not in text  # on its side it would take more pages
    assert text.count("\\caption{C} \\label{tab:t}") == text.count("\\label{tab:t}") == 1
    told = [t.count("Table~\\ref{tab:t}, further columns") for t in tables]
    assert told == [0, 2, 2]  # at the start of a part, and on its later pages
    assert text.count("\\addtocounter{table}{-1}") == 2  # they have the number of the first
    rows = [f"{name}{row}" for name in ("first", "second") for row in range(60)]
    shown = []
    for table in tables:
        assert re.findall(r"^(\w+\d+) &", table, re.M) == rows
        assert "\\textbf{first}" in table and "\\textbf{second}" in table
        shown += re.findall(r"number(\d+)", table.split("\\endfirsthead")[0])
    assert shown == [str(i) for i in range(20)]


def test_no_page_has_a_single_row_of_a_block_and_a_part_begins_where_there_is_room():
    def of(n: int, name: str) -> Block:
        columns = [Column(f"n{i}", [f"long cell {name}.{row}.{i}" for row in range(n)], True) for i in range(40)]
        return Block([Column("key", [f"{name}{row}" for row in range(n)], False), *columns], [name])

    text = latex_table([of(6, "six"), of(3, "three"), of(1, "one")], [], caption="C", label="l")
    kept = {row for row in re.findall(r"^(\w+\d) &.*\\\\\*$", text, re.M)}
    assert kept == {"six0", "six4", "three0", "three1"}
    eight = latex_table([of(8, "last")], [], caption="C", label="l")
    assert {*re.findall(r"^(last\d) &.*\\\\\*$", eight, re.M)} == {"last0", "last3", "last4", "last5", "last6"}
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


def test_names_of_numbers_are_broken_where_their_numbers_are_narrower():
    columns = [
        Column("some_key", ["a", "b"], False),
        Column("energy_score_last", ["0.123", "4"], True),
        Column("k", ["1", "2"], True),
        Column("wide_number", ["0.123 [0.100, 0.200]", ""], True),
    ]
    text = latex_table([Block(columns)], [], caption="C", label="l")
    head = text.split("\\toprule\n")[1].split("\\midrule")[0].splitlines()
    assert head == [" & energy\\_ &  &  \\\\", " & score\\_ &  &  \\\\", "some\\_key & last & k & wide\\_number \\\\",
                    " &  & frames &  \\\\"]  # fmt: skip


def test_what_all_rows_share_stands_above_them_and_what_says_nothing_is_left_out():
    columns = [
        Column("representation", ["r", "r"], False),
        Column("predictor", ["p", "q"], False),
        Column("split", ["eval", "eval"], False),
        Column("published", ["", ""], True),
        Column("n", ["5", "5"], True),
    ]
    text = latex_table([Block(columns)], [], caption="C", label="l")
    assert "\\textbf{representation r, split eval}" in text and "published" not in text
    assert "predictor & n \\\\" in text and "\np & 5 \\\\" in text
    alone = latex_table(
        [Block([column for column in columns if column.name != "predictor"])], [], caption="C", label="l"
    )
    assert "representation & split & n \\\\" in alone  # no text would tell the rows apart


def test_the_room_of_a_page_decides_whether_a_table_stands_in_parts():
    block = Block([Column(f"n{i}", ["0.123 [0.100, 0.200]"], True) for i in range(9)])
    narrow, wide = (
        latex_table([block], [], caption="C", label="l", room=room) for room in (Room(300, 400), Room(900, 900))
    )
    assert narrow.count("\\begin{longtable}") > 1 == wide.count("\\begin{longtable}")
    assert "Lines of 900 pt" in wide.splitlines()[0]
