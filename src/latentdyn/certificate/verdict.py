"""What a certificate says in words: whether the past tells the next step, and how far to trust that.

Two laws know nothing of what comes next, and each of them alone makes latents look predictable at k = 1:

- The frames in random order: their steps lead back to the mean, so the context tells much about a step, and nothing
  about a frame. What frames in random order tell about each other is due to the speaker and the room, not to time.
- A random walk: a frame is close to the one before it, so the context tells much about a frame, and nothing about the
  step into it.

So the answer is yes only where the past tells more than both. At k >= 2, the past of neither tells anything about the
step, so there the step alone decides. The question is decided at the smallest k, where the context knows the most.
"""

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite, isnan, sqrt
from typing import Any

import pandas as pd
from scipy.special import stdtrit

from latentdyn.certificate.run import LATENTS, LINEAR, TABLE, Run
from latentdyn.metrics import NLL, PREDICTIVE_INFORMATION
from latentdyn.reporting.cautions import few_frames_decide
from latentdyn.reporting.measurements import Measurements
from latentdyn.stores.frame_index import FrameIndex

_FEW_SPEAKERS = 10  # held out: with fewer, a percentile interval over speakers is too narrow
_FEW_FRAMES = 10  # training frames for each weight of a dimension's regression
_LARGE_SHARE = 0.05  # of the frames
_LITTLE = 0.005  # nats a dimension: what explains 1 % of its variance is worth -ln(0.99) / 2
_FAR_BELOW = 10  # of these: so much less than nothing is no chance
_NETWORKS = "A network may find what a linear predictor cannot: the workflow fits networks too."


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
    """What the past tells, nats a frame, beyond a law that knows nothing of what comes next; with its interval.
    typical: the same without the 5 % of frames at either end. little: less counts as nothing. sure: it is more than
    nothing, by the bootstrap's interval and by a t-test over speakers: of a few speakers, the first alone says so too
    often."""

    nats: float
    typical: float
    low: float
    high: float
    little: float
    sure: bool

    @classmethod
    def of(cls, more: Measurements, less: Measurements, metric: str, dim: int) -> "_Worth":
        """How much higher a metric's mean is in the one than in the other."""
        difference = more.difference(less, metric)
        assert difference is not None
        means = [
            place.speakers.loc[place.speakers.metric == metric].set_index("speaker_id").eval("total / n")
            for place in (more, less)
        ]
        sure = difference.ci_low > 0 and _is_positive(means[0] - means[1])
        ends = [place.over_seeds(f"{metric}_trimmed") for place in (more, less)]
        assert ends[0] is not None and ends[1] is not None
        return cls(difference.value, ends[0] - ends[1], difference.ci_low, difference.ci_high, _LITTLE * dim, sure)

    @property
    def something(self) -> bool:
        return self.sure and self.nats >= self.little

    @property
    def nothing(self) -> bool:
        return self.high < self.little

    @property
    def of_few_frames(self) -> bool:
        """Whether few frames decide the mean: without them it is another number."""
        return abs(self.nats - self.typical) > self.little + abs(self.typical) / 2

    @property
    def disputed(self) -> bool:
        """Whether few frames decide if the past tells anything."""
        return self.of_few_frames and (self.nats < self.little) != (self.typical < self.little)

    def __str__(self) -> str:
        interval = "" if isnan(self.low) else f" (95 % interval {_number(self.low)} to {_number(self.high)})"
        return f"{_number(self.nats)} nats{interval}"


@dataclass(frozen=True)
class _Finding:
    """What the past tells at one k. frame: about a frame, beyond the frames in random order. step: about the step into
    the frame, beyond a random walk. ordered: what the past tells about a frame, nats. unordered: what frames in random
    order tell about it."""

    k: int
    frame: _Worth
    step: _Worth
    ordered: float
    unordered: float

    @classmethod
    def of(cls, run: Run, k: int) -> "_Finding":
        dim, name = int(run.manifest.utterances["dim"].iloc[0]), PREDICTIVE_INFORMATION.name
        own, shuffled = (
            run.measured.of_row(row, LINEAR, "eval", slice="all", horizon=k)
            for row in (LATENTS, f"{LATENTS}__shuffled")
        )
        walk = run.measured.of_row(LATENTS, f"{LINEAR}__unconditional", "eval", slice="all")  # it has one k
        ordered, unordered = own.over_seeds(name), shuffled.over_seeds(name)
        assert ordered is not None and unordered is not None
        return cls(k, _Worth.of(own, shuffled, name, dim), _Worth.of(walk, own, NLL.name, dim), ordered, unordered)

    @property
    def step_is_told(self) -> bool:
        return self.step.something and (self.k > 1 or self.frame.something)


def _number(value: float) -> str:
    return f"{value:.3g}" if abs(value) >= 0.0005 else "0.000"


def _is_positive(values: pd.Series) -> bool:
    """Whether the mean is above 0, by a one-sided t-test at 2.5 %."""
    n = len(values)
    return bool(values.mean() > stdtrit(n - 1, 0.975) * values.std(ddof=1) / sqrt(n))


def verdict(run: Run) -> str:
    """The answer in a few sentences, and below it a line for each reason to doubt it."""
    setting = _Setting.of(run)
    lines = [_answer(run, setting), *(f"Note: {caveat}" for caveat in _caveats(run, setting))]
    return "\n".join(textwrap.fill(line, 100, subsequent_indent="  ") for line in lines)


def _answer(run: Run, setting: _Setting) -> str:
    findings = {k: _Finding.of(run, k) for k in setting.horizons}
    first = next(iter(findings.values()))
    at, frame, step = f"At {setting.age(first.k)}", first.frame, first.step
    about_frame = f"the past tells {frame} about a frame, beyond what frames in random order tell"
    both = f"{at}, {about_frame}. It tells {step} about the step into this frame, beyond a random walk."
    if not isfinite(frame.nats) or not isfinite(step.nats):
        return f"Undecided: {both} Single frames are so large that nothing can be told: look for them."
    if isnan(frame.low):
        return f"Undecided: {both} But one held-out speaker gives no interval."
    if run.far_out:
        return (
            f"Undecided: few frames decide. {both} But training or validation frames that are far out decide what is "
            "fitted or chosen, so these numbers may follow them alone. Leave out or clip the frames that a note names, "
            "and measure again."
        )
    if step.disputed or (first.k == 1 and frame.disputed):
        return (
            f"Undecided: few frames decide. {both} Without the 5 % of frames at either end, these are "
            f"{_number(frame.typical)} and {_number(step.typical)} nats, which would be another answer."
        )
    if first.step_is_told:
        return f"Yes: the next step can be predicted. {both}{_reach_of_step(findings, setting)}"
    if frame.nothing and (first.k == 1 or step.nothing):
        return (
            f"No: the past does not tell what comes next. {at}, {about_frame}.{_unordered(first)}"
            f"{_back_to_the_mean(first)} {_NETWORKS}"
        )
    if frame.something and step.nothing:
        until = _longest({k: finding.frame.something for k, finding in findings.items()})
        level = f" The level persists up to {setting.age(until)}." if until > first.k else ""
        little = f" That is less than 1 % of a step's variance (less than {step.little:.3g} nats)." if step.sure else ""
        return (
            f"No: only the level persists, and the next step cannot be predicted. {at}, {about_frame}: it is close to "
            f"the frames before it. But it tells {step} about the step into this frame, beyond a random walk.{little}"
            f"{level} {_NETWORKS}"
        )
    level = "the level persists, but it is not sure that" if frame.something else "it is not sure whether"
    return (
        f"Undecided: {level} the next step can be predicted. {both} The held-out speakers are too few, or differ too "
        "much, to be sure that this is more than nothing."
    )


def _longest(told: Mapping[int, bool]) -> int:
    """The last k before the first at which nothing is told."""
    longest = 0
    for k, something in told.items():
        if not something:
            break
        longest = k
    return longest


def _reach_of_step(findings: Mapping[int, _Finding], setting: _Setting) -> str:
    """Up to which k the step is told. Noise about a slow level has a step that is told at k = 1, and at no other k."""
    first, *later = findings
    until = _longest({k: finding.step_is_told for k, finding in findings.items()})
    if until > first:
        return f" The step can be predicted up to {setting.age(until)}."
    if first > 1 or not later or not findings[later[0]].step.nothing:
        return ""
    return (
        f" At {setting.age(later[0])}, nothing of the step can be predicted: so what can be predicted may be no more "
        "than the way back from noise to a level that moves slowly."
    )


def _unordered(finding: _Finding) -> str:
    if finding.unordered < finding.frame.little:
        return ""
    return f" These tell {_number(finding.unordered)} nats, which is due to the speaker and the recording."


def _back_to_the_mean(finding: _Finding) -> str:
    if finding.k > 1 or not finding.step.something:
        return ""
    return (
        f" Its steps lead back to the mean, as those of white noise do. For this reason alone, the past tells "
        f"{finding.step} about the step at k = 1, and ΔNLL and cosine are large."
    )


def _caveats(run: Run, setting: _Setting) -> list[str]:
    frames = run.frames
    reach = setting.window - 1 + max(setting.horizons)
    usable = frames.finite().late(reach)
    found, held_out = [], len(usable.of_splits("eval").speakers)
    if held_out < _FEW_SPEAKERS:
        found.append(
            f"only {held_out} {'speaker is' if held_out == 1 else 'speakers are'} held out for the measurement, so "
            + ("there are no intervals." if held_out < 2 else "the intervals are rough and rather too narrow.")
        )
    weights = setting.window * int(run.manifest.utterances["dim"].iloc[0])
    trained = len(usable.of_splits("train"))
    if trained < _FEW_FRAMES * weights:
        found.append(
            f"{trained} training frames are few for the {weights} weights that each dimension has (W x D). With more "
            "frames, the predictor finds more: what is measured is too low. Smaller window_frames need fewer."
        )
    k = min(setting.horizons)
    finding = _Finding.of(run, k)
    if finding.frame.of_few_frames or finding.step.of_few_frames or few_frames_decide(*_dnll(run, k)):
        found.append(
            "few held-out frames decide the means: most frames say something else. Look for frames that are far out."
        )
    elif min(finding.ordered, finding.unordered) < -_FAR_BELOW * finding.frame.little:
        found.append(
            f"a context tells down to {_number(min(finding.ordered, finding.unordered))} nats about a frame, far less "
            "than nothing: the training speakers do not cover the held-out ones. Give more speakers, or subtract the "
            "mean of each speaker."
        )
    found += [f"{far}." for far in run.far_out]
    found += run.notes
    found += _losses(run.manifest.excluded, frames, reach)
    return found


def _dnll(run: Run, k: int) -> tuple[Any, Any]:
    """ΔNLL of the latents by the linear predictor: its mean and its median over held-out frames."""
    row = run.measured.of_row(LATENTS, LINEAR, "eval", slice="all", horizon=k)
    return row.over_seeds("dnll", "value"), row.over_seeds("dnll_median", "value")


def _losses(excluded: pd.DataFrame, frames: FrameIndex, reach: int) -> list[str]:
    """What was not measured, where it is much or may surprise."""
    found = []
    if len(excluded):
        first = excluded.iloc[0]
        found.append(
            f"{len(excluded)} files are set aside; the first is {first.path} ({first.reason}: {first.detail})."
        )
    if bad := len(frames.invalid):
        found.append(
            f"{bad} of {len(frames)} frames hold a NaN or infinity; they, and contexts with them, are left out."
        )
    lengths = frames.utterance_table()["n"]
    short = lengths <= reach
    if lengths[short].sum() > _LARGE_SHARE * len(frames):
        found.append(
            f"{int(short.sum())} of {len(lengths)} utterances are shorter than the {reach + 1} frames that the context "
            "and the longest k need, so they are left out."
        )
    return found
