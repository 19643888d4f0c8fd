"""Figures on disk."""

from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from latentdyn.files import atomic_path


def write_figure(figure: Figure, path: Path) -> None:
    """Write a PNG; equal figures give equal files."""
    with atomic_path(path) as temporary, matplotlib.rc_context({"savefig.dpi": 130}):
        figure.savefig(temporary, format="png", metadata={"Software": None})
