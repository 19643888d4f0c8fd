"""Figures on disk: PNG for those who look, SVG for pages that are read at any width."""

from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from latentdyn.files import atomic_path

# by the ending of the name; equal figures give equal files: no dates, no random names
_METADATA: dict[str, dict[str, None]] = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}}


def write_figure(figure: Figure, path: Path) -> None:
    """Write a PNG or an SVG, as the name ends; equal figures give equal files."""
    form = Path(path).suffix.removeprefix(".")
    with atomic_path(path) as temporary, matplotlib.rc_context({"savefig.dpi": 130, "svg.hashsalt": "latentdyn"}):
        figure.savefig(temporary, format=form, metadata=_METADATA[form])
