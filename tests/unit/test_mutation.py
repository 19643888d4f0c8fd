"""The mistakes that `make mutate` makes."""

from pathlib import Path

from tests.mutation.mutate import concerned_tests, mutants_of

SOURCE = '''
def f(x: int = 3) -> int:
    """Not a number: 7."""
    if not x < 2:
        raise ValueError(f"{x + 1}")
    return x * 4 if x == 0 and True else x
'''


def test_each_place_that_computes_something_is_changed_once():
    made = [(m.line, m.before, m.after) for m in mutants_of(Path("f.py"), SOURCE)]
    assert sorted(made) == [
        (2, "3", "4"),
        (4, "2", "3"),
        (4, "not x < 2", "not not x < 2"),
        (4, "x < 2", "x <= 2"),
        (6, "0", "1"),
        (6, "4", "5"),
        (6, "True", "False"),
        (6, "x * 4", "x / 4"),
        (6, "x == 0", "x != 0"),
        (6, "x == 0 and True", "x == 0 or True"),
    ]


def test_a_mutant_is_the_file_with_one_change():
    texts = [m.text for m in mutants_of(Path("f.py"), SOURCE)]
    assert len(set(texts)) == len(texts)
    assert all(text.count("\n") == texts[0].count("\n") for text in texts)
    assert sum("x * 5" in text for text in texts) == 1


def test_tests_of_the_module_come_before_those_of_its_package():
    assert concerned_tests(Path("src/latentdyn/distributions/bessel.py")) == [
        Path("tests/unit/distributions/test_bessel.py"),
        Path("tests/unit/distributions"),
    ]
    assert concerned_tests(Path("src/latentdyn/distributions/new/part.py")) == [Path("tests/unit/distributions")]
