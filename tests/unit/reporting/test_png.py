"""Figures on disk."""

import pytest
from matplotlib.figure import Figure

from latentdyn.reporting.png import write_figure


def figure(height: float) -> Figure:
    drawn = Figure(figsize=(3, 2), layout="constrained")
    drawn.subplots().plot([0, height])
    return drawn


@pytest.mark.parametrize(("form", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml")])
def test_equal_figures_give_equal_files(tmp_path, form, start):
    for name, height in (("a", 1.0), ("b", 1.0), ("c", 2.0)):
        write_figure(figure(height), tmp_path / f"{name}.{form}")
    a, b, c = ((tmp_path / f"{name}.{form}").read_bytes() for name in "abc")
    assert a == b != c and a.startswith(start)


def test_a_figure_that_cannot_be_written_leaves_nothing(tmp_path, monkeypatch):
    drawn = figure(1.0)
    monkeypatch.setattr(drawn, "draw", lambda *args, **kwargs: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_figure(drawn, tmp_path / "a.png")
    assert not list(tmp_path.iterdir())
