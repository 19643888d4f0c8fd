"""Published values of forecasts, as data (seed 003 §1.1 to 1.3, 1.5 and Appendix A; seed 004 §2).

16 utterances x 8 segments x 16 steps at 12.5 Hz; of which split is not said, so they stand beside `eval`. A value
without a step is the mean over all of them. Of modes B and C nothing was published.

Phase 4 (seed 004 §2) gives rounded means of a rollout of 16 steps, and neither predictor, frames nor representation:
taken here for the MDN on raw Mimi that the document describes otherwise.
"""

from dataclasses import dataclass

SPLIT = "eval"


@dataclass(frozen=True)
class PublishedInjection:
    """One published value.

    encoder, dim: the kind of encoder, and the dimensions its latents were left with (PCA, where fewer than its own).
    predictor: kind. metric: as in our records, or as in the table of regimes (shrinkage); dnll_factored, of a direction
    and a length apart, is no density on R^D and has no counterpart among them.
    """

    source: str
    encoder: str
    dim: int
    predictor: str
    regime: str
    mode: str
    step: int | None
    metric: str
    value: float


def _values(
    source: str, encoder: str, dim: int, mode: str, step: int | None, values: dict[str, float],
    predictor: str = "mdn", regime: str = "teacher_forced",
) -> list[PublishedInjection]:  # fmt: skip
    return [
        PublishedInjection(source, encoder, dim, predictor, regime, mode, step, metric, value)
        for metric, value in values.items()
    ]


def _scheduled_sampling(
    mode: str, step: int | None, dnll: float, cosine: float, ratio: float | None, error: float
) -> list[PublishedInjection]:
    values = {"dnll_factored": dnll, "cosine": cosine, "magnitude_ratio": ratio, "state_error": error}
    known = {metric: value for metric, value in values.items() if value is not None}
    source = "seed 003 §1.2, A.1, A.2"
    return _values(source, "mimi", 512, mode, step, known, "vmf_lognormal", "scheduled_sampling")


def _mdn(
    source: str, encoder: str, dim: int, a: tuple[float, float, float], d: tuple[float, float, float]
) -> list[PublishedInjection]:
    """a: ΔNLL, cosine and magnitude ratio of mode A. d: ΔNLL, cosine and state error of mode D."""
    return [
        *_values(source, encoder, dim, "A", None, dict(zip(("dnll", "cosine", "magnitude_ratio"), a, strict=True))),
        *_values(source, encoder, dim, "D", None, dict(zip(("dnll", "cosine", "state_error"), d, strict=True))),
    ]


PHASE_4 = "seed 004 §2 (Phase 4)"
EXP_3, EXP_4 = "seed 003 §1.3, A.1, A.2 (Exp 3)", "seed 003 §1.5, A.1, A.2 (Exp 4)"

INJECTION: tuple[PublishedInjection, ...] = (
    *_values("seed 003 A.1 (Exp 1)", "mimi", 512, "A", None, {"cosine": 0.732}, "vmf_lognormal"),
    *_scheduled_sampling("A", None, 1.13, 0.118, 7.89, 0.0),
    *_scheduled_sampling("D", 1, 1.09, 0.103, 7.76, 0.0),
    *_scheduled_sampling("D", 4, 1.17, -0.001, 8.49, 101.0),
    *_scheduled_sampling("D", 8, 3.07, -0.006, 3783.0, 7783.0),
    *_scheduled_sampling("D", 16, 8.77, -0.012, 18848.0, 203148.0),  # the note under A.2 says 8767 of this ratio
    *_scheduled_sampling("D", None, 4.55, -0.004, None, 62234.0),
    *_mdn(EXP_3, "mimi", 512, (-154.3, 0.606, 0.631), (40.1, 0.068, 79.1)),
    *_mdn(EXP_3, "encodec", 128, (-79.5, 0.569, 0.821), (0.62, 0.093, 13.9)),
    *_mdn(EXP_4, "mimi", 512, (-149.0, 0.606, 0.664), (45.8, 0.069, 78.8)),
    *_mdn(EXP_4, "mimi", 32, (-13.6, 0.708, 0.773), (40.4, 0.099, 47.9)),
    *_mdn(EXP_4, "mimi", 64, (-26.7, 0.645, 0.720), (81.9, 0.097, 53.1)),
    *_values(PHASE_4, "mimi", 512, "D", None, {"dnll": 761868.0}),
    *_values(PHASE_4, "mimi", 512, "A", None, {"dnll": -35.0}, regime="unrolled"),
    *_values(PHASE_4, "mimi", 512, "D", None, {"dnll": -0.4, "shrinkage": 1 / 450}, regime="unrolled"),
)

# A.2, note: of no one row, and read off by its authors
MDN_MAGNITUDE_RATIO_D = (0.17, 0.20)


def published_injection(
    encoder: str | None, dim: int, predictor: str, regime: str, mode: str, step: int | None, metric: str
) -> list[float]:
    """The published values for this kind of row, in the order of the experiments; none, one, or one of each run."""
    wanted = (encoder, dim, predictor, regime, mode, step, metric)
    return [
        entry.value
        for entry in INJECTION
        if (entry.encoder, entry.dim, entry.predictor, entry.regime, entry.mode, entry.step, entry.metric) == wanted
    ]
