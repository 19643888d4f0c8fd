"""Figures on disk: PNG for paper and those who look, SVG for pages that are read at any width."""

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from latentdyn.files import atomic_path
from latentdyn.reporting.looks import arrange
from latentdyn.reporting.panels import panels_of, to_text

_DPI = 130


def write_figure(figure: Figure, path: Path) -> None:
    """Write a PNG or an SVG, as the name ends; equal figures give equal files: no dates, no random names.

    A PNG says where its panels lie.
    """
    figure.set_dpi(_DPI)
    arrange(figure)
    with atomic_path(path) as temporary:
        if Path(path).suffix == ".png":
            _write_png(figure, temporary)
        else:
            with matplotlib.rc_context({"svg.hashsalt": "latentdyn"}):
                # what `savefig` does too, but it would draw all of it once more before, to place it again
                canvas: Any = FigureCanvasSVG(figure)
                canvas.print_svg(temporary, metadata={"Date": None, "Creator": None})


def _write_png(figure: Figure, path: Path) -> None:
    """No transparency: pdflatex copies such a picture as it is, and takes seconds to separate it from another."""
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    told = PngInfo()
    for key, text in to_text(panels_of(figure, canvas.get_renderer())).items():
        told.add_text(key, text)
    colors = np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3])
    Image.fromarray(colors).save(path, format="png", dpi=(_DPI, _DPI), pnginfo=told)
