"""Published values, as data: what tables print beside ours, and of which rows.

Every entry says its source and what exactly it is of. An allowlist of lineages says which latents: a row that no entry
lists gets no value, so that a new kind of derived latents never gets the values of its root. Values are compared with
ours and never mixed with them: speech, splits, frames and training runs behind them are not ours. Raw Mimi's ΔNLL at
k = 1 was published from three runs (-185.44, -184.4, -176.9): such runs differ by about 8 nats.

The split of the forecasts is not published. They are taken to be of `eval`.
"""

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from latentdyn.reporting.measurements import Measurements


@dataclass(frozen=True)
class Latents:
    """What latents published values are of.

    lineages: kinds of representations from the root to the row's own, joined by ">"; only these are meant. dim,
    frame_rate_hz: theirs; None where our records of the same measurement do not tell them.
    """

    lineages: tuple[str, ...]
    dim: int | None
    frame_rate_hz: float | None

    def are(self, lineage: str, dim: float | None, frame_rate_hz: float | None) -> bool:
        """Whether a row of this lineage, dimension and frame rate (Hz) is of these latents."""
        known = lineage in self.lineages
        return known and self.dim in (None, dim) and self.frame_rate_hz in (None, frame_rate_hz)


@dataclass(frozen=True)
class Published:
    """One published value.

    by: the kind of the predictor or of the key. regime: how the predictor was trained; `clustered` of a key. horizon:
    the staleness k of the context, None of a forecast. mode: of a forecast. step: of a forecast; None is the mean over
    all steps. metric: as in our records or in the table of regimes (shrinkage). For a forecast `dnll_factored`, of
    direction and length apart, is no density on R^D and has no counterpart in our records.
    """

    source: str
    of: Latents
    by: str
    metric: str
    value: float
    regime: str = "teacher_forced"
    split: str = "eval"
    horizon: int | None = None
    mode: str | None = None
    step: int | None = None


@dataclass(frozen=True)
class Elsewhere:
    """A published value that no row of ours can stand beside: of another setting, which `of` describes."""

    source: str
    of: str
    metric: str
    value: float


# all that the seeds say of CALM in numbers
CALM = tuple(
    Elsewhere("seed 003 §3.2", "speech reconstructed by CALM's VAE, 32 dimensions at 12.5 Hz", metric, value)
    for metric, value in (("pesq", 2.42), ("stoi", 0.90))
)

# The seeds say 12.5 Hz of all latents. EnCodec has 75 Hz natively and they do not say how they came to 12.5: pooling is
# the nearest that we have.
MIMI = Latents(("mimi",), 512, 12.5)
MIMI_PCA_32 = Latents(("mimi>pca",), 32, 12.5)
MIMI_PCA_64 = Latents(("mimi>pca",), 64, 12.5)
ENCODEC = Latents(("encodec>pooled",), 128, 12.5)
# z_dyn: the state of the seeds' factorizer, which has read its own frame (timing `inclusive`)
Z_DYN = Latents(("mimi>factorizer",), 128, 12.5)
# records of clusters tell neither dimension nor frame rate; the lineage has no other than its own
CLUSTERED_MIMI = Latents(("mimi",), None, None)

PHASE_0, EXP_1 = "seed 002 §1, seed 004 §2 (Phase 0)", "seed 003 §1.1, A.1 (Exp 1)"
PHASE_1, Z_DYN_RUN = "seed 001, Appendix A (Phase 1)", "seed 000 §5.2"
EXP_1B = "seed 003 §1.2, A.1, A.2 (Exp 1B)"
EXP_3, EXP_4 = "seed 003 §1.3, A.1, A.2 (Exp 3)", "seed 003 §1.5, A.1, A.2 (Exp 4)"
PHASE_4 = "seed 004 §2 (Phase 4)"


def _by_horizon(
    source: str, of: Latents, metric: str, values: dict[int, float], by: str = "mdn", split: str = "eval"
) -> list[Published]:
    return [Published(source, of, by, metric, value, split=split, horizon=k) for k, value in values.items()]


def _clusters(key: str, ratio: float, permuted: float) -> list[Published]:
    """One value for 64 to 256 clusters, and one for random labels."""
    values = {"variance_ratio": ratio, "variance_ratio_permuted": permuted}
    return [
        Published(PHASE_0, CLUSTERED_MIMI, key, metric, value, regime="clustered", horizon=1)
        for metric, value in values.items()
    ]


def _forecast(
    source: str, of: Latents, mode: str, values: dict[str, float], step: int | None = None, by: str = "mdn",
    regime: str = "teacher_forced",
) -> list[Published]:  # fmt: skip
    return [
        Published(source, of, by, metric, value, regime=regime, mode=mode, step=step)
        for metric, value in values.items()
    ]


def _mdn(source: str, of: Latents, a: tuple[float, float, float], d: tuple[float, float, float]) -> list[Published]:
    """a: ΔNLL, cosine and magnitude ratio of mode A. d: ΔNLL, cosine and state error of mode D."""
    return [
        *_forecast(source, of, "A", dict(zip(("dnll", "cosine", "magnitude_ratio"), a, strict=True))),
        *_forecast(source, of, "D", dict(zip(("dnll", "cosine", "state_error"), d, strict=True))),
    ]


def _scheduled_sampling(
    mode: str, step: int | None, dnll: float, cosine: float, ratio: float | None, error: float
) -> list[Published]:
    values = {"dnll_factored": dnll, "cosine": cosine, "magnitude_ratio": ratio, "state_error": error}
    known = {metric: value for metric, value in values.items() if value is not None}
    return _forecast(EXP_1B, MIMI, mode, known, step, by="vmf_lognormal", regime="scheduled_sampling")


# Where two entries are of the same, the first is printed. Rollout gaps that the seeds leave blank are absent; an
# overflow is inf. Of modes B and C nothing was published.
ENTRIES: tuple[Published, ...] = (
    *_clusters("mean_pool", 0.997, 0.999),
    *_clusters("pca", 0.988, 0.995),
    *_by_horizon(PHASE_1, MIMI, "nll", {1: 1075.45, 2: 1129.82, 4: 1176.04, 8: 1191.87}),
    *_by_horizon(PHASE_1, MIMI, "nll_baseline", {1: 1260.89, 2: 1260.89, 4: 1260.89, 8: 1258.67}),
    *_by_horizon(PHASE_1, MIMI, "dnll", {1: -185.44, 2: -131.07, 4: -84.85, 8: -66.79}),
    *_by_horizon(PHASE_1, MIMI, "dnll", {1: 2028.23, 2: 11856.85, 4: -83.28, 8: 74.15}, split="train"),
    *_by_horizon(PHASE_1, MIMI, "cosine", {1: 0.6114, 2: 0.3924, 4: 0.1068, 8: 0.0384}),
    *_by_horizon(PHASE_1, MIMI, "r2_mean", {1: -0.5949, 2: -4.8140, 4: -33.8358, 8: -56.2588}),
    *_by_horizon(PHASE_1, MIMI, "rollout_gap", {4: float("inf"), 8: 56921627075.45}),
    *_by_horizon(Z_DYN_RUN, Z_DYN, "dnll", {1: -61.11, 2: -30.37, 4: -17.44, 8: -12.54}),
    *_by_horizon(Z_DYN_RUN, Z_DYN, "cosine", {1: 0.708, 2: 0.440, 4: 0.152, 8: 0.061}),
    *_by_horizon(Z_DYN_RUN, Z_DYN, "r2_mean", {1: -0.098, 2: -5.734, 4: -39.242, 8: -66.951}),
    *_by_horizon(Z_DYN_RUN, Z_DYN, "rollout_gap", {1: 68.7, 8: 2.2e11}),
    *_by_horizon(EXP_1, MIMI, "dnll_factored", {1: -2.20, 2: -2.24, 4: -2.28, 8: -2.29}, "vmf_lognormal"),
    *_by_horizon(EXP_1, MIMI, "cosine", {1: 0.732, 2: 0.444, 4: 0.151, 8: 0.058}, "vmf_lognormal"),
    # "logmag R²". With sigma at its clamp, e², E[m] is exp(27) times the median, and 1 - 27² / Var(ln m) is about their
    # value. That it is the same at all k says that their mean was E[m] μ, not shortened by A_D(κ) as ours is.
    *_by_horizon(EXP_1, MIMI, "r2_mean", {1: -3686.0, 2: -3695.0, 4: -3674.0, 8: -3695.0}, "vmf_lognormal"),
    *_by_horizon(EXP_3, MIMI, "dnll", {1: -184.4}),
    *_by_horizon(EXP_3, ENCODEC, "dnll", {1: -93.6}),
    *_by_horizon(EXP_4, MIMI, "dnll", {1: -176.9}),
    *_by_horizon(EXP_4, MIMI_PCA_64, "dnll", {1: -26.7}),
    *_by_horizon(EXP_4, MIMI_PCA_32, "dnll", {1: -14.7}),
    # what PCA keeps of the frames' variance (seed 003 calls the first one "discarded"); beside the MDN that they have
    *_by_horizon(EXP_4, MIMI_PCA_64, "readout_variance", {1: 0.791}),
    *_by_horizon(EXP_4, MIMI_PCA_32, "readout_variance", {1: 0.658}),
    # 16 utterances x 8 segments x 16 steps
    *_forecast(EXP_1, MIMI, "A", {"cosine": 0.732}, by="vmf_lognormal"),
    *_scheduled_sampling("A", None, 1.13, 0.118, 7.89, 0.0),
    *_scheduled_sampling("D", 1, 1.09, 0.103, 7.76, 0.0),
    *_scheduled_sampling("D", 4, 1.17, -0.001, 8.49, 101.0),
    *_scheduled_sampling("D", 8, 3.07, -0.006, 3783.0, 7783.0),
    *_scheduled_sampling("D", 16, 8.77, -0.012, 18848.0, 203148.0),  # the note under A.2 says 8767 of this ratio
    *_scheduled_sampling("D", None, 4.55, -0.004, None, 62234.0),
    *_mdn(EXP_3, MIMI, (-154.3, 0.606, 0.631), (40.1, 0.068, 79.1)),
    *_mdn(EXP_3, ENCODEC, (-79.5, 0.569, 0.821), (0.62, 0.093, 13.9)),
    *_mdn(EXP_4, MIMI, (-149.0, 0.606, 0.664), (45.8, 0.069, 78.8)),
    *_mdn(EXP_4, MIMI_PCA_32, (-13.6, 0.708, 0.773), (40.4, 0.099, 47.9)),
    *_mdn(EXP_4, MIMI_PCA_64, (-26.7, 0.645, 0.720), (81.9, 0.097, 53.1)),
    # Rounded means of a rollout of 16 steps. The source names neither predictor nor latents: taken here for the MDN on
    # raw Mimi that it describes otherwise.
    *_forecast(PHASE_4, MIMI, "D", {"dnll": 761868.0}),
    *_forecast(PHASE_4, MIMI, "A", {"dnll": -35.0}, regime="unrolled"),
    *_forecast(PHASE_4, MIMI, "D", {"dnll": -0.4, "shrinkage": 1 / 450}, regime="unrolled"),
)

# what the table of trade-offs calls latents that were published, and where their values stand
TRADEOFFS = (
    ("Mimi", EXP_3, MIMI),
    ("EnCodec", EXP_3, ENCODEC),
    ("Mimi", EXP_4, MIMI),
    ("Mimi, PCA-64", EXP_4, MIMI_PCA_64),
    ("Mimi, PCA-32", EXP_4, MIMI_PCA_32),
)

# Why a value compares with nothing of ours, although it is published: by metric, and by the kind of its predictor.
DOUBTS = {
    ("dnll_factored", "vmf_lognormal"): "baseline: the source does not give that of its direction and length",
    ("r2_mean", "vmf_lognormal"): "known error in the source: σ at its clamp makes the predicted mean exp(27) medians",
}

# of the MDN in mode D (A.2, note), of no one row, and read off by its authors
MDN_MAGNITUDE_RATIO_D = (0.17, 0.20)


def published(
    here: Measurements, metric: str, *, lineage: str, by: str, split: str, slice: str = "all",
    horizon: int | None = None, mode: str | None = None, step: int | None = None,
) -> float | None:  # fmt: skip
    """The published value beside a row, or None where there is none; of several runs the first.

    Args:
        here: what the row was measured with: it tells the regime, the dimension and the frame rate.
        lineage: of the row's representation. by: the kind of its predictor or key. slice: what was published is of
            whole splits. Others: as in `Published`.
    """
    if slice != "all" or here.records.empty:
        return None
    wanted = _at_its_place().get((by, metric, here.records.regime.iloc[0], split, horizon, mode, step))
    if wanted is None:  # as of nearly every cell
        return None
    latents = (lineage, here.over_seeds("dim"), here.over_seeds("frame_rate_hz"))
    return next((entry.value for entry in wanted if entry.of.are(*latents)), None)


@functools.cache
def _at_its_place() -> dict[tuple[Any, ...], list[Published]]:
    """The entries of each place, in their order."""
    places: dict[tuple[Any, ...], list[Published]] = {}
    for e in ENTRIES:
        places.setdefault((e.by, e.metric, e.regime, e.split, e.horizon, e.mode, e.step), []).append(e)
    return places


def values_of(source: str, of: Latents = MIMI, **facts: Any) -> list[Published]:
    """The entries of one source and latents, in their order; facts: of their other fields, those that are given."""
    return [
        entry for entry in ENTRIES
        if entry.source == source and entry.of == of
        and all(getattr(entry, name) == value for name, value in facts.items())
    ]  # fmt: skip


def any_published(lineages: Iterable[str]) -> bool:
    """Whether anything was published of one of these lineages."""
    return any(lineage in entry.of.lineages for lineage in lineages for entry in ENTRIES)
