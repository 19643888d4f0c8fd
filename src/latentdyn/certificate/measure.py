"""`latentdyn.measure`: the certificate of some latents as a DataFrame, with a verdict in words."""

import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from latentdyn.certificate.arrays import check_frame_rate, check_reach, write_index
from latentdyn.certificate.run import TABLE, Run, certificate_config, run_certificate
from latentdyn.certificate.verdict import verdict
from latentdyn.errors import UserError
from latentdyn.metrics import PREDICTIVE_INFORMATION, R2_DELTA
from latentdyn.reporting.views.lagged import lagged_rows

_WITH_INTERVAL = ("dnll", "context_gain", "level_gain", PREDICTIVE_INFORMATION.name, "cosine", R2_DELTA.name)
COLUMNS = [
    *("representation", "predictor", "k", "ms", "n", "speakers"),
    *(f"{name}{part}" for name in _WITH_INTERVAL for part in ("", "_ci_low", "_ci_high")),
    "r2_head",
]


def measure(
    arrays: Iterable[Any] | Mapping[Any, Any],
    speakers: Sequence[Any] | Mapping[Any, Any],
    frame_rate_hz: float,
    *,
    window_frames: int = 8,
    horizons: Sequence[int] = (1, 2, 4, 8),
    splits: Mapping[Any, str] | None = None,
) -> pd.DataFrame:
    """How predictable latents are, by predictors in closed form, beside two controls.

    The numbers are those of the workflow's table of kind `lagged` on held-out speakers, since the same functions make
    them. It takes seconds where window_frames times dims is in the hundreds, and minutes where it is in the thousands.

    Args:
        arrays: of each utterance (frames, dims) of floats: numpy arrays or torch tensors, in a list, or in a dict by
            the utterance's name. A frame with a NaN or infinity is left out and counted, and so
            are equal utterances of two speakers.
        speakers: the speaker of each utterance, in a dict by the utterance's name, or in the same order. Beside named
            utterances, a Series is taken by its index, unless pandas made that by itself. Who is held out is decided by
            speaker; where there are none, name every independent source.
        frame_rate_hz: frames a second.
        window_frames: W, frames of context. horizons: k, how many frames old the newest known frame is.
        splits: `train`, `validation` or `eval` for each speaker, such as the `attrs["splits"]` of another table. None:
            as the workflow draws them; of fewer than 30 speakers, larger shares are held out.

    Returns:
        A row for each representation (`latents`, `latents__shuffled`: the frames of each utterance in random order,
        `latents__white`: white noise of equal covariance), predictor and k. Columns, in nats a frame where nothing else
        is said: `k`; `ms`, how old that is; `n` frames of `speakers` held-out speakers; `dnll`, `context_gain`,
        `level_gain` (k = 1 only), `predictive_information` (of `linear_gaussian`), `cosine` (1) and `r2_delta` (1),
        each with its 95 % interval over speakers `_ci_low` and `_ci_high`; `r2_head` (1). docs/models.md defines them.
        `attrs["verdict"]` says in words what they mean, and what to be careful about. `attrs["splits"]` is the split of
        each speaker, as `splits` takes it. `attrs["split_settings"]` are the settings (salt, validation, eval) that
        drew them, for the key `splits` of a corpus in a config of the workflow; None where they were given.

    Raises:
        UserError: the latents cannot be measured; it says what is wrong, where, and what to do.
    """
    rate, reach = check_frame_rate(frame_rate_hz), check_reach(window_frames, horizons)
    with tempfile.TemporaryDirectory(prefix="latentdyn-") as folder:
        index = write_index(Path(folder), arrays, speakers)
        try:
            return _certificate(index, rate, *reach, splits, Path(folder))
        except UserError as error:
            raise _of_arrays(error, folder) from None


def measure_index(
    index: Path, frame_rate_hz: float, *, window_frames: int = 8, horizons: Sequence[int] = (1, 2, 4, 8)
) -> pd.DataFrame:
    """The same for latents in files, which a CSV names as for a corpus of kind `latents` (docs/own_latents.md). Its
    column `split`, if there is one, says who is held out."""
    rate, reach = check_frame_rate(frame_rate_hz), check_reach(window_frames, horizons)
    if Path(index).is_dir():
        raise UserError(
            "this is a folder, not the CSV that names the latents",
            index,
            "give the CSV: a row for each utterance with utterance_id, speaker_id and path (docs/own_latents.md)",
        )
    with tempfile.TemporaryDirectory(prefix="latentdyn-") as folder:
        return _certificate(Path(index).absolute(), rate, *reach, None, Path(folder))


def _certificate(
    index: Path, rate: float, window: int, horizons: list[int], splits: Mapping[Any, str] | None, folder: Path
) -> pd.DataFrame:
    run = run_certificate(certificate_config(index, rate, window, horizons), folder, splits)
    table = _table(run)
    table.attrs |= {"verdict": verdict(run), "splits": run.splits, "split_settings": run.split_settings}
    return table


def _of_arrays(error: UserError, folder: str) -> UserError:
    """The same mistake without the names of our temporary files: what the user knows are the arrays."""
    where = "arrays" if folder in error.where else error.where
    what, fix = (re.sub(r"\bfiles\b", "utterances", text.replace(f"{folder}/", "")) for text in (error.what, error.fix))
    return UserError(what, where, fix)


def _table(run: Run) -> pd.DataFrame:
    """The rows of the workflow's table, with what it does not show."""
    section = run.config.tables[TABLE]
    corpus = section.corpora[0]
    rows = lagged_rows(run.measured, section.model_dump(mode="json"), section.plan(run.config, corpus))
    rows["ms"] = rows["k"] * rows["ms_per_step"]
    places = [
        run.measured.of_row(row.representation, row.predictor, "eval", slice="all", horizon=row.k)
        for row in rows.itertuples()
    ]
    for name in (PREDICTIVE_INFORMATION.name, R2_DELTA.name):
        for part, column in (("", "value"), ("_ci_low", "ci_low"), ("_ci_high", "ci_high")):
            rows[f"{name}{part}"] = [place.over_seeds(name, column) for place in places]
    numbers = COLUMNS[COLUMNS.index("dnll") :]
    return rows[COLUMNS].astype(dict.fromkeys(numbers, "float64"))
