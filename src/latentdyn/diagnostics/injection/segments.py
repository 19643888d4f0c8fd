"""Where forecasts start: segments of held-out utterances, drawn by name."""

import numpy as np
import pandas as pd

from latentdyn.diagnostics.injection.settings import InjectionSettings
from latentdyn.errors import UserError
from latentdyn.seeds import numpy_generator
from latentdyn.stores.frame_index import FrameIndex


def draw_segments(
    frames: FrameIndex, split: str, window_frames: int, settings: InjectionSettings, names: tuple[object, ...]
) -> tuple[pd.DataFrame, int]:
    """Where forecasts start: of as many speakers as there are, drawn by name.

    The forecasts (not the contexts) of an utterance do not overlap where W + segments x steps frames leave room; where
    they do not, they start as far apart as there is room for, and there may be fewer.

    Returns:
        A row a segment: utterance_id, speaker_id, row and t (of the last frame known, x_0); and how many utterances are
        shorter than W + steps, or hold a frame that is not finite.

    Raises:
        UserError: fewer utterances are left than the settings ask for.
    """
    need = window_frames + settings.steps
    whole = frames.utterance_table()
    fit = whole[(whole["n"] >= need) & whole["valid"]]
    if len(fit) < settings.utterances:
        raise UserError(
            f"{len(fit)} of {len(whole)} utterances of split {split} have at least {need} frames (W = {window_frames} "
            f"and {settings.steps} steps), all finite; {settings.utterances} are asked for",
            "utterances, steps and splits of the injection section",
            "ask for fewer utterances or steps, or use a larger corpus",
        )
    generator = numpy_generator(*names, "segments")
    shuffled = fit.iloc[generator.permutation(len(fit))]
    turn = shuffled.groupby("speaker_id", observed=True).cumcount()  # a second one of a speaker after the first of all
    chosen = shuffled.iloc[np.argsort(turn.to_numpy(), kind="stable")[: settings.utterances]]
    starts = [_apart(n - need + 1, settings.segments, settings.steps, generator) for n in chosen["n"]]
    segments = chosen.loc[chosen.index.repeat([len(s) for s in starts]), ["speaker_id", "row"]].reset_index()
    t = window_frames - 1 + np.concatenate(starts)
    return segments.assign(row=segments["row"] + t, t=t), len(whole) - len(fit)


def _apart(places: int, n: int, gap: int, generator: np.random.Generator) -> np.ndarray:
    """At most n of the numbers below `places`, ascending, at least `gap` apart or as far as there is room for."""
    n = min(n, places)
    gap = min(gap, (places - 1) // max(n - 1, 1)) or 1
    return np.sort(generator.choice(places - (n - 1) * (gap - 1), n, replace=False)) + (gap - 1) * np.arange(n)
