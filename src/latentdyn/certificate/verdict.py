"""What a certificate says in words: whether the order of frames tells about the next one, and how far to trust that.

The question is decided at the smallest k, where the context knows the most. The control is the same frames in random
order: what they tell about each other is due to the speaker and the room, not to time.
"""

import textwrap
from dataclasses import dataclass
from math import isfinite, isnan, sqrt
from typing import Any

import pandas as pd
from scipy.stats import t as student_t

from latentdyn.certificate.run import LATENTS, LINEAR, TABLE, Run
from latentdyn.metrics import PREDICTIVE_INFORMATION
from latentdyn.reporting.cautions import few_frames_decide

_FEW_SPEAKERS = 10  # held out: with fewer, a percentile interval over speakers is too narrow
_FEW_FRAMES = 10  # training frames for each weight of a dimension's regression
_LARGE_SHARE = 0.05  # of the frames


@dataclass(frozen=True)
class _Setting:
    """What sentences need beside the measurements."""

    window: int
    horizons: list[int]
    frame_rate_hz: float

    @classmethod
    def of(cls, run: Run) -> "_Setting":
        predictor, corpus = run.config.predictors[LINEAR], next(iter(run.config.corpora.values()))
        table: Any = run.config.tables[TABLE]
        return cls(predictor.window_frames, table.horizons, float(corpus.model_dump()["frame_rate_hz"]))

    def age(self, k: int) -> str:
        """A staleness in words."""
        return f"k = {k} ({1000 * k / self.frame_rate_hz:.3g} ms)"


@dataclass(frozen=True)
class _Worth:
    """What the order of frames is worth: predictive information less that of the frames in random order, nats a frame,
    with its interval. control: the information of the frames in random order. beyond_control: it is more than nothing,
    by the bootstrap's interval and by a t-test over speakers: of a few speakers, the first alone says so too often."""

    nats: float
    low: float
    high: float
    control: float
    beyond_control: bool

    @classmethod
    def of(cls, run: Run, k: int) -> "_Worth":
        name = PREDICTIVE_INFORMATION.name
        own, control = (
            run.measured.of_row(row, LINEAR, "eval", slice="all", horizon=k)
            for row in (LATENTS, f"{LATENTS}__shuffled")
        )
        difference, level = own.difference(control, name), control.over_seeds(name)
        assert difference is not None and level is not None
        means = [
            rows.loc[rows.metric == name].set_index("speaker_id").eval("total / n")
            for rows in (own.speakers, control.speakers)
        ]
        beyond = difference.ci_low > 0 and _is_positive(means[0] - means[1])
        return cls(difference.value, difference.ci_low, difference.ci_high, level, beyond)


def _is_positive(values: pd.Series) -> bool:
    """Whether the mean is above 0, by a one-sided t-test at 2.5 %."""
    n = len(values)
    return bool(values.mean() > student_t.ppf(0.975, n - 1) * values.std(ddof=1) / sqrt(n))


def verdict(run: Run) -> str:
    """The answer in a few sentences, and below it a line for each reason to doubt it."""
    setting = _Setting.of(run)
    lines = [_answer(run, setting), *(f"Note: {caveat}" for caveat in _caveats(run, setting))]
    return "\n".join(textwrap.fill(line, 100, subsequent_indent="  ") for line in lines)


def _answer(run: Run, setting: _Setting) -> str:
    worth = {k: _Worth.of(run, k) for k in setting.horizons}
    k, first = next(iter(worth.items()))
    what = f"at {setting.age(k)}, the order of the frames is worth {first.nats:.3g} nats a frame"
    if not isfinite(first.nats):
        return f"Undecided: {what}. Single frames are so large that nothing can be told: look for them."
    if isnan(first.low):
        return f"Undecided: {what}, but one held-out speaker gives no interval."
    what += f" (95 % interval {first.low:.3g} to {first.high:.3g})"
    if first.low <= 0:
        return (
            f"No: a linear predictor finds nothing beyond the control. That is, {what}. A network may find what a "
            "linear predictor cannot: the workflow fits networks too."
        )
    if not first.beyond_control:
        return (
            f"Undecided: {what}. The held-out speakers are too few, or differ too much, to be sure that this is more "
            "than nothing."
        )
    longest = k
    for later, comparison in worth.items():
        if not comparison.beyond_control:
            break
        longest = later
    until = f" Order is worth more than nothing up to {setting.age(longest)}." if longest > k else ""
    control = f"{first.control:.3g}, which is due to the speaker and the recording" if first.control > 0 else "nothing"
    return (
        f"Yes: there is something predictable beyond the control. That is, {what}. Frames in random order tell "
        f"{control}.{until}"
    )


def _caveats(run: Run, setting: _Setting) -> list[str]:
    frames = run.frames
    reach = setting.window - 1 + max(setting.horizons)
    usable = frames[(frames["t"] >= reach) & frames["valid"]]
    speakers = usable.groupby("split", observed=True)["speaker_id"].nunique()
    found, held_out = [], int(speakers.get("eval", 0))
    if held_out < _FEW_SPEAKERS:
        found.append(
            f"only {held_out} {'speaker is' if held_out == 1 else 'speakers are'} held out for the measurement, so "
            + ("there are no intervals." if held_out < 2 else "the intervals are rough and rather too narrow.")
        )
    weights = setting.window * int(run.manifest.utterances["dim"].iloc[0])
    trained = int((usable["split"] == "train").sum())
    if trained < _FEW_FRAMES * weights:
        found.append(
            f"{trained} training frames are few for the {weights} weights that each dimension has (W x D). With more "
            "frames, the predictor finds more: what is measured is too low. Smaller window_frames need fewer."
        )
    if few_frames_decide(*_dnll(run, min(setting.horizons))):
        found.append("few frames decide the means: they are far from the medians. Look for frames that are far out.")
    found += _losses(run.manifest.excluded, frames, reach)
    return found


def _dnll(run: Run, k: int) -> tuple[Any, Any]:
    """ΔNLL of the latents by the linear predictor: its mean and its median over held-out frames."""
    row = run.measured.of_row(LATENTS, LINEAR, "eval", slice="all", horizon=k)
    return row.over_seeds("dnll", "value"), row.over_seeds("dnll_median", "value")


def _losses(excluded: pd.DataFrame, frames: pd.DataFrame, reach: int) -> list[str]:
    """What was not measured, where it is much or may surprise."""
    found = []
    if len(excluded):
        first = excluded.iloc[0]
        found.append(
            f"{len(excluded)} files are set aside; the first is {first.path} ({first.reason}: {first.detail})."
        )
    if bad := int((~frames["valid"]).sum()):
        found.append(
            f"{bad} of {len(frames)} frames hold a NaN or infinity; they, and contexts with them, are left out."
        )
    lengths = frames.groupby("utterance_id", observed=True)["t"].max() + 1
    short = lengths <= reach
    if lengths[short].sum() > _LARGE_SHARE * len(frames):
        found.append(
            f"{int(short.sum())} of {len(lengths)} utterances are shorter than the {reach + 1} frames that the context "
            "and the longest k need, so they are left out."
        )
    return found
