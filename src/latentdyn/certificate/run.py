"""A small table made within this process: the same functions as the workflow's rules call, in a folder of its own.

The plan comes from a configuration, as the workflow's does. So rows, defaults and random numbers are those of the
workflow, and so are the numbers. Everything is computed on the CPU, and the caller's random numbers stay as they are.
"""

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from latentdyn.certificate.speakers import certificate_splits, unused_splits
from latentdyn.config import load_config
from latentdyn.config.measurements.lagged import Evaluation
from latentdyn.config.predictors import PredictorKind
from latentdyn.config.root import Config
from latentdyn.corpus.manifest import (
    LATENTS_MAX_EXCLUDED_SHARE,
    Manifest,
    build_manifest,
    check_excluded_share,
    set_aside_shared_files,
)
from latentdyn.diagnostics.lagged import EvaluationSettings, evaluate_lagged
from latentdyn.diagnostics.predictive_information import predictive_information
from latentdyn.diagnostics.records import Identity, records_table, sums_table
from latentdyn.errors import UserError
from latentdyn.measurements.lagged import SEED_NAMES
from latentdyn.measurements.subject import Model, Subject
from latentdyn.models.checkpoint import save_checkpoint
from latentdyn.models.fit import fit_model
from latentdyn.reporting.measurements import Measurements
from latentdyn.representations.derive import derive_store
from latentdyn.steps.import_latents import import_latents
from latentdyn.stores.far_out import FarOut
from latentdyn.stores.frame_index import FrameIndex
from latentdyn.stores.frames import far_out, index_frames, open_frames, read_frames_handle, write_frames
from latentdyn.stores.latents import open_latents
from latentdyn.stores.speakers_apart import check_speakers_apart
from latentdyn.stores.windows import common_runs

CORPUS, LATENTS, LINEAR, TABLE = "own", "latents", "linear_gaussian", "certificate"
CONTROLS = ("shuffled", "white")
_NEEDED = {"shuffled": "the frames of each utterance in random order"}  # without it, there is no verdict

_WORKERS = 2
_CPU, _SEED = torch.device("cpu"), 0


@dataclass(frozen=True)
class Run:
    """config: what was planned. manifest: what was used, and what was set aside. splits: of each speaker.
    split_settings: what drew them, None where they were given. frames: the frame index of the latents.
    measured: what the rows are made of, with the predictive information by `linear_gaussian`. far_out: training and
    validation frames of the latents that decide what is fitted and chosen."""

    config: Config
    manifest: Manifest
    splits: dict[str, str]
    split_settings: dict[str, Any] | None
    frames: FrameIndex
    measured: Measurements
    notes: tuple[str, ...] = ()
    far_out: tuple[FarOut, ...] = ()


def certificate_config(
    index: Path, frame_rate_hz: float, window_frames: int, horizons: list[int], controls: Sequence[str] = CONTROLS
) -> Config:
    """The configuration of the certificate's table, beside these controls.

    Raises:
        UserError: a setting is out of its range.
    """
    reach = {"window_frames": window_frames, "horizons": horizons}
    sections = {
        "schema_version": 1,
        "corpora": {CORPUS: {"kind": "latents", "index": str(index), "frame_rate_hz": frame_rate_hz}},
        "representations": {LATENTS: {"kind": "provided"}},
        "predictors": {kind: {"kind": kind, **reach} for kind in (LINEAR, "ar1")},
        "tables": {
            TABLE: {
                "kind": "lagged", "corpora": [CORPUS], "representations": [LATENTS], "surrogates": list(controls),
                "predictors": [LINEAR, "ar1"], "horizons": horizons, "splits": ["eval"],
            }
        },
    }  # fmt: skip
    try:
        return load_config(sections)
    except UserError as error:
        raise _of_arguments(error) from None


def _of_arguments(error: UserError) -> UserError:
    """The same mistake in the caller's words, who knows the arguments and no keys."""
    what = re.sub(r"\b(?:\w+\.)+(frame_rate_hz|window_frames|horizons)\b", r"\1", error.what)
    mistakes = dict.fromkeys(what.removeprefix("the configuration is not valid: ").split("; "))
    return UserError("; ".join(mistakes), "the arguments", "correct what is named above")


class _Once(logging.Filter):
    """Lets a message through once: every control and predictor would say of its frames what the latents say of them."""

    def __init__(self) -> None:
        super().__init__()
        self._said: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        new = message not in self._said
        self._said.add(message)
        return new


@contextmanager
def _said_once() -> Iterator[None]:
    logger, once = logging.getLogger(common_runs.__module__), _Once()
    logger.addFilter(once)
    try:
        yield
    finally:
        logger.removeFilter(once)


@_said_once()
def run_certificate(config: Config, folder: Path, given_splits: Mapping[Any, str] | None) -> Run:
    """Make all that the table's rows are measured with, below `folder`.

    Raises:
        UserError: the latents cannot be measured; it says why.
    """
    corpus = config.corpora[CORPUS].model_dump(mode="json")
    index = Path(corpus["index"])
    built = build_manifest(corpus, index, workers=_WORKERS)
    _check_moving(built.utterances, index.parent)
    manifest = set_aside_shared_files(built)
    check_excluded_share(manifest, LATENTS_MAX_EXCLUDED_SHARE)
    splits, drawn = certificate_splits(manifest.utterances, given_splits)
    made: list[tuple[pd.DataFrame, pd.DataFrame]] = []
    controls, notes = list(CONTROLS), unused_splits(splits, given_splits)
    for name, representation in config.all_representations.items():
        settings, handle = representation.model_dump(mode="json"), folder / name / "latents.json"
        frames = handle.with_name("frames.json")
        if name == LATENTS:
            import_latents(manifest.utterances, index.parent, corpus["frame_rate_hz"], settings, handle)
            latents_frames = _indexed(handle, frames, splits)
            _check_finite(latents_frames, corpus["max_nonfinite_share"])
            store = open_latents(handle)
            _check_usable(latents_frames, config.predictors[LINEAR])
            _check_speakers(store.load(), latents_frames)
            told = far_out(read_frames_handle(frames, store))
            decide = tuple(far for far in told if far.split in ("train", "validation"))
            made += _measured(config, name, handle, frames)
            continue
        control = name.removeprefix(f"{LATENTS}__")
        try:
            derive_store(open_latents(folder / LATENTS / "latents.json"), settings, splits, handle)
            _indexed(handle, frames, splits)
            made += list(_measured(config, name, handle, frames))
        except UserError as error:
            if control in _NEEDED:
                raise UserError(error.what, f"the control {name}: {_NEEDED[control]}", error.fix) from None
            controls.remove(control)
            notes.append(f"the control {name} cannot be measured, so it is left out: {error.what}.")
    records, sums = (pd.concat(tables, ignore_index=True) for tables in zip(*made, strict=True))
    resamples = config.section(Evaluation).bootstrap_resamples
    measured = Measurements(records, sums, pd.DataFrame(), resamples)
    by_speaker = dict(zip(splits["speaker_id"].astype(str), splits["split"].astype(str), strict=True))
    if len(controls) < len(CONTROLS):
        linear = config.predictors[LINEAR]
        config = certificate_config(
            index, corpus["frame_rate_hz"], linear.window_frames, list(linear.horizons), controls
        )
    return Run(config, manifest, by_speaker, drawn, latents_frames, measured, tuple(notes), decide)


def _indexed(handle: Path, frames: Path, splits: pd.DataFrame) -> FrameIndex:
    """The frame index of latents, written beside them."""
    store = open_latents(handle)
    write_frames(frames.with_suffix(".parquet"), frames, index_frames(store, splits), store)
    return open_frames(frames, store)


def _check_moving(utterances: pd.DataFrame, folder: Path) -> None:
    """Check that few utterances stand still.

    Args:
        utterances: of the manifest. folder: that their paths are relative to.

    Raises:
        UserError: too many do; it names the first one.
    """
    still = [row for row in utterances.itertuples() if _is_still(np.load(folder / row.path, mmap_mode="r"))]
    if len(still) > LATENTS_MAX_EXCLUDED_SHARE * len(utterances):
        first = np.load(folder / still[0].path)[0]
        step = float(np.spacing(np.abs(first).max()))
        raise UserError(
            f"{len(still)} of {len(utterances)} utterances never change: all their frames are equal. Numbers as large "
            f"as the first one's, stored as {first.dtype}, cannot change by less than {step:.2g}",
            f"utterance {still[0].utterance_id!r}",
            "leave such utterances out. If their frames did differ, rounding has made them equal: store them as "
            "float64, or subtract a constant before they are stored",
        )


def _is_still(array: np.ndarray) -> bool:
    return bool((array == array[0]).all())


def _check_speakers(latents: np.ndarray, frames: FrameIndex) -> None:
    training = frames.of_splits("train").finite()
    check_speakers_apart(latents[training.rows()], pd.factorize(training.speaker_ids())[0])


def _check_finite(frames: FrameIndex, max_share: float) -> None:
    """Check that few frames are lost.

    Raises:
        UserError: more than `max_share` of them are not finite; it names the utterance that has the most.
    """
    bad = len(frames.invalid)
    if bad > max_share * len(frames):
        worst = frames.table(frames.invalid)["utterance_id"].astype(str).value_counts()
        raise UserError(
            f"{bad} of {len(frames)} frames ({bad / len(frames):.1%}) hold a NaN, an infinity or a number "
            f"that float32 cannot hold, more than the allowed share of {max_share:.0%}; {worst.iloc[0]} of them are in "
            f"the utterance {worst.index[0]!r}",
            "the latents",
            "look at how the latents were made, or leave out or cut the utterances that hold such frames",
        )


def _check_usable(frames: FrameIndex, predictor: PredictorKind) -> None:
    """Check that every split has frames to work with.

    Raises:
        UserError: it names the first split that has none.
    """
    usable = common_runs(frames, predictor.window_frames, predictor.horizons)
    for split, purpose in (("train", "fit"), ("validation", "choose the ridge by"), ("eval", "measure")):
        if split not in usable.splits:
            raise UserError(
                f"no speaker of the split {split} has a frame to {purpose}: their utterances are too short, or hold a "
                f"NaN or infinity in every stretch of {predictor.window_frames + max(predictor.horizons)} frames",
                "the utterances, and window_frames and horizons",
                "give longer utterances or more speakers, or shorten the window and the horizons",
            )


def _measured(config: Config, name: str, handle: Path, frames: Path) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """Records and sums of all measurements of a representation."""
    measurements = [m for m in config.tables[TABLE].measurements(config, CORPUS) if m.representation == name]
    settings = {m.by: config.all_predictors[m.by].model_dump(mode="json") for m in measurements}
    models = {by: Model(handle.parent / by / "predictor.json", its) for by, its in settings.items()}
    subject, evaluation = Subject(handle, frames, models, _CPU), config.section(Evaluation)
    for measurement in measurements:
        _fit(subject, measurement.by)
        scored = evaluate_lagged(
            subject.predictors(measurement.by), subject.latents, subject.index, subject.store.frame_rate_hz,
            EvaluationSettings(**{**evaluation.settings(config, measurement.by, None), "own_frames": False}),
            seed_names=SEED_NAMES, splits=["eval"], slices=["all"],
        )  # fmt: skip
        own = measurement.identity()
        yield records_table(own, scored.records), sums_table(own, scored.speakers)
    information, by_speaker = predictive_information(
        settings[LINEAR], subject.latents, subject.index,
        max_frames=evaluation.max_frames, resamples=evaluation.bootstrap_resamples, seed_names=SEED_NAMES,
        trimmed=True,
    )  # fmt: skip
    own = asdict(Identity("predictive_information", CORPUS, name, LINEAR, "teacher_forced", _SEED))
    yield records_table(own, information), sums_table(own, by_speaker)


def _fit(subject: Subject, by: str) -> None:
    """Fit a predictor to the subject's latents and save it, as the step `train_model` does."""
    model, store = subject.models[by], subject.store
    with torch.random.fork_rng(devices=[]):
        fitted = fit_model(
            "predictor", model.settings, store, subject.index, seed=_SEED, state=model.handle.parent, device=_CPU
        )
    save_checkpoint(
        model.handle, fitted.weights, kind="predictor", settings=model.settings, dim=store.dim, seed=_SEED,
        data=subject.data,
    )  # fmt: skip
