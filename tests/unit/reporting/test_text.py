"""Tables in parts: what is repeated, what fits, what can't."""

from latentdyn.reporting.text import Block, Column, in_parts


def block(*columns: list[str]) -> Block:
    return Block([Column(f"c{i}", cells, False) for i, cells in enumerate(columns)], ["name"], {"fact": "1"})


def names(parts: list[list[Block]]) -> list[list[str]]:
    return [[column.name for column in part[0].columns] for part in parts]


def test_what_fits_stays_whole():
    one = block(["a", "b"], ["1", "2"], ["3", "4"])
    assert in_parts([one], lambda column: 2, 6) == [[one]]


def test_columns_that_tell_rows_apart_begin_every_part():
    first, second = block(["a", "a"], ["1", "2"], ["3", "3"], ["4", "4"]), block(["b"], ["1"], ["3"], ["4"])
    parts = in_parts([first, second], lambda column: 2, 6)
    assert names(parts) == [["c0", "c1", "c2"], ["c0", "c1", "c3"]]
    assert [part[1].columns[-1].cells for part in parts] == [["3"], ["4"]]
    assert all(one.names == ["name"] and one.facts == {"fact": "1"} for part in parts for one in part)


def test_a_column_that_is_wider_than_a_page_stands_alone():
    parts = in_parts([block(["a", "b"], ["1", "2"], ["3", "4"], ["5", "6"])], lambda c: 9 if c.name == "c2" else 1, 4)
    assert names(parts) == [["c0", "c1"], ["c0", "c2"], ["c0", "c3"]]


def test_rows_that_nothing_tells_apart_are_repeated_by_their_first_column():
    parts = in_parts([block(["a", "a"], ["1", "1"], ["2", "2"])], lambda column: 1, 2)
    assert names(parts) == [["c0", "c1"], ["c0", "c2"]]


def test_nothing_but_keys_is_one_part():
    assert names(in_parts([block(["a", "a"], ["1", "2"])], lambda column: 9, 2)) == [["c0", "c1"]]


def test_rows_that_a_later_part_says_nothing_of_are_left_out_of_it():
    first, second = block(["a", "b"], ["", ""], ["", "4"]), block(["c"], ["5"], [""])
    parts = in_parts([first, second], lambda column: 2, 4)
    cells = [[[list(column.cells) for column in one.columns] for one in part] for part in parts]
    assert cells == [[[["a", "b"], ["", ""]], [["c"], ["5"]]], [[["b"], ["4"]], [[], []]]]
