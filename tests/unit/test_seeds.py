"""Seeds by name: written out, since every number of a run follows from them."""

import numpy as np
import pytest

from latentdyn.seeds import numpy_generator, seed_for, torch_generator


@pytest.mark.parametrize(
    ("names", "seed"),
    [
        ((), 8203414616412130826),
        (("a",), 7299139317422481125),
        (("a", "b"), 8657728790167507790),
        (("ab",), 9063230908846710674),
        (("evaluate", "eval", "bootstrap"), 7143161408055841043),
        (("split", "tiny27", "s0"), 9212376335423622925),
        (("inject", 0, 1.5), 6511018523270021210),
    ],
)
def test_a_seed_is_the_number_that_it_always_was(names, seed):
    """The first 63 bits of sha256, the names joined by the unit separator (0x1f)."""
    assert seed_for(*names) == seed


def test_generators_draw_what_they_always_drew():
    assert numpy_generator("a", "b").integers(1000, size=4).tolist() == [312, 890, 136, 195]
    drawn = torch_generator("a", "b").initial_seed()
    assert drawn == seed_for("a", "b")


def test_equal_names_draw_equally_and_others_do_not():
    a, same, other = (numpy_generator(*names).normal(size=8) for names in (("a", 1), ("a", 1), ("a", 2)))
    np.testing.assert_array_equal(a, same)
    assert not np.isclose(a, other).any()
