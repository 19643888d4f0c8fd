"""Fitting one predictor at all its horizons: latents are loaded once, and a finished horizon is never fitted twice."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from latentdyn.errors import UserError
from latentdyn.predictors.base import Predictor, SolvedPredictor, TrainedPredictor, build_predictor
from latentdyn.seeds import seed_for
from latentdyn.stores.latents import LatentsStore
from latentdyn.stores.windows import Scaling, Windows, common_frames
from latentdyn.training.likelihood import Likelihood
from latentdyn.training.loop import TrainingSettings, save_state, train
from latentdyn.training.regimes import TeacherForced, build_regime

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fitted:
    """State dicts by horizon, and the curve: a record for each validation (or each candidate of a closed form)."""

    states: dict[int, dict[str, Tensor]]
    curve: pd.DataFrame


def fit_predictor(
    settings: dict[str, Any],
    store: LatentsStore,
    frames: pd.DataFrame,
    *,
    seed_names: tuple[object, ...],
    state: Path,
    device: torch.device,
    start: Mapping[int, Mapping[str, Tensor]] | None = None,
    checkpoint_interval_s: float = 60.0,
) -> Fitted:
    """Fit the predictor that `settings` (its section of the config) describes, at each of its horizons.

    Args:
        frames: the frame index; training and validation speakers are taken from it.
        state: folder of this job's unfinished work (see stores.state).
        start: by horizon, the state dict to train on from, scaling included, instead of fresh weights.

    Raises:
        UserError: no usable frames, or a loss that is not finite.
    """
    window, horizons = settings["window_frames"], settings["horizons"]
    training = dict(settings.get("training", {}))
    regime = build_regime(training.pop("regime")) if training else TeacherForced()
    latents = torch.from_numpy(store.load()).to(device)
    usable = common_frames(frames, store.n_rows, window, horizons, ahead=regime.longest - 1)
    by_split = {split: usable[usable["split"] == split] for split in ("train", "validation")}
    if by_split["train"].empty:
        raise UserError(
            "no training speaker has a usable frame",
            store.path,
            "use longer utterances, more speakers, or shorter windows",
        )
    train_windows = Windows.of(latents, by_split["train"], window)
    validation = Windows.of(latents, by_split["validation"], window) if len(by_split["validation"]) else None
    log.info("%d training frames, %d held-out frames, on %s", len(train_windows), len(validation or ()), device)
    scaling = Scaling.fit(train_windows)
    states, curve = {}, []
    for k in horizons:
        finished = state / f"finished_k{k}.pt"
        if not finished.exists():
            torch.manual_seed(seed_for(*seed_names, "init", k))
            predictor = build_predictor(settings, store.dim).to(device)
            if start is None:
                predictor.set_scaling(scaling)
            else:
                _continue(predictor, start[k])
            if isinstance(predictor, SolvedPredictor):
                points = list(predictor.solve(train_windows, validation, k))
            else:
                assert isinstance(predictor, TrainedPredictor)
                chosen = TrainingSettings(**training)
                names = (*seed_names, k)
                asked = Likelihood(predictor, train_windows, validation, k, regime, chosen.batch_size, names)
                curve_k = train(
                    predictor, asked, chosen, state_file=state / f"k{k}.pt", name=f"k={k}: ",
                    checkpoint_interval_s=checkpoint_interval_s,
                )  # fmt: skip
                points = [{"k": k, **point} for point in curve_k]
            save_state(finished, {"state": predictor.state_dict(), "curve": points})
            (state / f"k{k}.pt").unlink(missing_ok=True)
        result = torch.load(finished, weights_only=True, map_location="cpu")
        states[k] = result["state"]
        curve += result["curve"]
    return Fitted(states, pd.DataFrame(curve))


def _continue(predictor: Predictor, start: Mapping[str, Tensor]) -> None:
    try:
        predictor.load_state_dict(start)
    except RuntimeError as error:
        raise UserError(
            f"the weights to start from are of another network or head ({str(error).splitlines()[-1].strip()})",
            "starts_from of the predictor",
            "give it the same settings as the predictor that it starts from, but for training, horizons and clamps",
        ) from None
