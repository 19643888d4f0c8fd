"""What a reader of the Phase 1 table could overlook: one sentence or two for each thing that weakens its numbers."""

import math
from collections.abc import Iterator

import pandas as pd

FEW_SPEAKERS, FEW_FRAMES = 10, 1000
_BINDS = 0.01  # share of frames at a bound from which on the bound, not the data, may decide
_FAR = 10  # medians, or nats, from the median to a mean that few frames decide
_LISTED = 6  # groups of rows that a sentence names
_CLAMPS = ("kappa_at_clamp", "sigma_at_clamp", "mu_logm_at_clamp")


def cautions(rows: pd.DataFrame) -> list[str]:
    """Sentences about the rows of a Phase 1 table that has all its columns, each with the rows that it is about.

    Surrogates are left out where nothing else can be expected of them.
    """
    every = (_untrained, _no_context_gain, _no_better_than_white_noise, _few, _clamped, _repeated, _dominated)
    return [f"**Caution:** {sentence}" for of in every for sentence in of(rows)]


def cautions_of_latents(records: pd.DataFrame) -> list[str]:
    """Sentences about the latents themselves, which hold for every number of them, whatever table shows it.

    Args:
        records: of the metrics `OF_LATENTS`, of all that a table was made of.
    """
    mine = records.drop_duplicates(["representation", "metric", "split"])
    said = [
        (row.metric, {"name": row.representation, "value": row.value, "split": row.split}) for row in mine.itertuples()
    ]
    return [f"**Caution:** {_OF_LATENTS[metric].format(**facts)}" for metric, facts in said]


_OF_LATENTS = {
    "look_ahead_ms": (
        "a frame of `{name}` depends on up to {value:.0f} ms of audio after its own end. At k = 1 the context knows so "
        "much of the future, and what is scored there is not all prediction."
    ),
    "grid_values": (
        "the latents of `{name}` take few distinct values, at most {value:.0f} in a dimension: they lie on a grid. A "
        "density can grow without limit on such points, so likelihoods say how fine a model is, not how good. Compare "
        "them only with those of other models of the same latents that cannot be as fine."
    ),
    "code_bits_per_s": (
        "the frames of `{name}` are dequantized: sums of codewords, {value:.0f} bit/s. They lie on points, where a "
        "density can grow without limit; `token_bits_per_s`, where it is measured, does not depend on that."
    ),
    "far_out_frames": (
        "few frames of `{name}` decide: {value:.0f} of the split {split} lie so far from all others that they make a "
        "quarter or more of the variance of a dimension. What is fitted to this split, chosen by it or measured on it "
        "may follow these frames alone. Logs of the measurements name the farthest: leave it out or clip it. (The part "
        "of a beta-VAE that stays, `static_dim`, is not yet known in the first frames of an utterance, and changes "
        "most there. Where these are the frames, nothing is to be left out.)"
    ),
}


def _untrained(rows: pd.DataFrame) -> Iterator[str]:
    untrained = rows[_numbers(rows, "kept_step") == 0]
    if len(untrained):
        yield (
            f"untrained weights were kept for {_named(untrained)}. No step of the training was better on held-out "
            "speakers than the weights that it started from."
        )


def _no_context_gain(rows: pd.DataFrame) -> Iterator[str]:
    real = _real(rows)
    highest = _numbers(real, "context_gain_ci_high").fillna(_numbers(real, "context_gain"))
    without = real[highest >= 0]
    if len(without):
        yield (
            f"the context gain is not below 0 for {_named(without)}: its interval holds 0 or lies above it. There the "
            "context is not shown to help, whatever `dnll` is."
        )


def _no_better_than_white_noise(rows: pd.DataFrame) -> Iterator[str]:
    real = _real(rows)
    lowest = _numbers(real, "cosine_ci_low").fillna(_numbers(real, "cosine"))
    below = real[lowest <= _numbers(real, "cosine_white_noise")]
    if len(below):
        yield (
            f"the cosine is not above that of white noise with the same covariance for {_named(below)}. Such a cosine "
            "is no sign that the next frame can be predicted."
        )


def _few(rows: pd.DataFrame) -> Iterator[str]:
    for (representation, split), mine in rows.groupby(["representation", "split"], sort=False):
        speakers, frames = _numbers(mine, "speakers").min(), _numbers(mine, "n").min()
        few = [f"{speakers:.0f} speakers"] if speakers < FEW_SPEAKERS else []
        few += [f"{frames:.0f} frames"] if frames < FEW_FRAMES else []
        if few and "__" not in str(representation):  # a surrogate has the frames of its source
            yield (
                f"there are only {' and '.join(few)} in {split} of `{representation}`. Intervals over few speakers "
                "are too narrow, and with one speaker there are none."
            )


def _clamped(rows: pd.DataFrame) -> Iterator[str]:
    shares = rows[list(_CLAMPS)].apply(pd.to_numeric)
    bound = rows[(shares >= _BINDS).any(axis="columns")]
    if len(bound):
        up_to = [f"`{clamp}` up to {share:.2f}" for clamp, share in shares.max().items() if share >= _BINDS]
        yield (
            f"a bound of the head binds for {_named(bound)}: {', '.join(up_to)}. There the bound, not the data, "
            "decides the density."
        )


def _repeated(rows: pd.DataFrame) -> Iterator[str]:
    still = rows[(_numbers(rows, "dnll") == math.inf) & (_numbers(rows, "still_frames") > 0)]
    if len(still):
        yield (
            f"`dnll` overflows for {_named(still)}, where {still['still_frames'].max():.0f} frames repeat the frame "
            "before them. A step of length 0 has no direction, and one such frame decides the mean; `dnll_median` in "
            "the CSV does not depend on it."
        )


def _dominated(rows: pd.DataFrame) -> Iterator[str]:
    means, medians = _numbers(rows, "dnll"), _numbers(rows, "dnll_median")
    ruled = rows[[few_frames_decide(mean, median) for mean, median in zip(means, medians, strict=True)]]
    if len(ruled):
        yield (
            f"few frames decide the mean of `dnll` for {_named(ruled)}: it is far from the median (`dnll_median` in "
            "the CSV). Look for frames that are far out."
        )


def few_frames_decide(mean: float, median: float) -> bool:
    """Whether a mean of nats is finite, and so far from the median that it says nothing of most frames."""
    return math.isfinite(mean) and abs(mean - median) > _FAR * (1 + abs(median))


def _named(rows: pd.DataFrame) -> str:
    """Which rows they are: representation, predictor and split, each with its horizons."""
    groups = [
        f"`{representation}`, `{predictor}`, {split} (k = {', '.join(map(str, mine['k'].unique()))})"
        for (representation, predictor, split), mine in rows.groupby(
            ["representation", "predictor", "split"], sort=False
        )
    ]
    more = len(groups) - _LISTED
    return "; ".join(groups[:_LISTED]) + (f"; and {more} more" if more > 0 else "")


def _real(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[~rows["representation"].str.contains("__", regex=False)]


def _numbers(rows: pd.DataFrame, column: str) -> pd.Series:
    return pd.to_numeric(rows[column])
