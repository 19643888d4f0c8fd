"""States that are generated, as frames of what they are states of (seed 002 §4): free runs, and what true states leave.

The law of a frame given its state can be drawn, so it is judged by energy scores. Free runs of a predictor of states
are led to frames and judged there as any free runs are. In between stand true states, led to frames in the same way:
what they miss is not the predictor's.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from latentdyn.diagnostics.energy import energy_score
from latentdyn.diagnostics.free_runs.comparison import FreeRunSettings, compare_runs, usable_frames
from latentdyn.diagnostics.learned.pair import BySpeaker
from latentdyn.diagnostics.records import Record
from latentdyn.diagnostics.rollout import by_draws, free_run
from latentdyn.metrics import ENERGY_SCORE_STATE, INNOVATION_KBIT_PER_S, INNOVATION_NATS
from latentdyn.predictors.base import Predictor
from latentdyn.seeds import numpy_generator, torch_generator
from latentdyn.stores.frame_index import FrameIndex
from latentdyn.stores.runs import Runs
from latentdyn.stores.windows import Scaling, Windows

TRUE = "true_states"
# frames (T, D) of states in a row (T, d), with noise of this name
Draw = Callable[[np.ndarray, tuple[object, ...]], np.ndarray]


@torch.inference_mode()
def measure_state_generation(
    predictor: Predictor, states: Tensor, source: Tensor, frames: FrameIndex, draw: Draw, nats: np.ndarray,
    frame_rate_hz: float, settings: FreeRunSettings, energy_draws: int, seed_names: tuple[object, ...],
) -> list[Record]:  # fmt: skip
    """Run freely by draws, lead runs and true states to frames, and compare these with the frames of a split.

    Args:
        predictor: of states, fitted at k = 1. states: (n_rows, d). source: (n_rows, D), the frames that they are states
            of. frames: the frame index of both. nats: (n_rows,), what the innovation of each frame costs.
        energy_draws: of each frame given its state.

    Returns:
        Records as of `compare_runs`, of modes `sampled`, `true_states`, `data` and the stand-ins. Besides, of
        `true_states` and `marginal` (training frames, drawn one by one) the energy score of draws of a frame, and of
        `true_states` the innovation's rate.

    Raises:
        UserError: as of `usable_frames`.
    """
    names, window = (*seed_names, settings.split), predictor.window_frames
    train, own = usable_frames(frames, window, settings.split)
    contexts = own.draw(settings.runs, (*names, "contexts"))
    starts = Windows.of(states, contexts, window)
    history = predictor.history(starts, slice(None), window)
    step = by_draws(torch_generator(*names, "draws", device=states.device), settings.temperature)
    runs = free_run(predictor, history, settings.steps, 1, step)[:, history.shape[1] - 1 :].cpu().numpy()
    with np.errstate(over="ignore", invalid="ignore"):  # of runs that grow without bound
        drawn = torch.from_numpy(np.stack([draw(run, ("run", i)) for i, run in enumerate(runs)])).to(source)
    drawn[:, 0] = source[starts.rows[:]]  # a run begins with the true frame
    true, scores = source.new_full(source.shape, torch.nan), []
    scaling = Scaling.fit(Windows.of(source, train, window))
    std, training = scaling.frame_std.to(source), Runs.of(train, source.device)
    generator = numpy_generator(*names, "marginal")
    scored = own.draw(settings.max_frames, (*names, "energy"))
    of_utterance = dict(list(scored.groupby(scored["utterance_id"].astype(str))["row"]))
    for utterance_id, here in frames.of_splits(settings.split).by_utterance():
        rows = here.rows()
        first, own_states = int(rows[0]), states[rows[0] : rows[-1] + 1].cpu().numpy()
        true[first : first + len(rows)] = torch.from_numpy(draw(own_states, ("true", utterance_id))).to(source)
        if utterance_id in of_utterance:
            mine = of_utterance[utterance_id].to_numpy(np.int64, copy=True)
            each = [draw(own_states, ("true", utterance_id, i))[mine - first] for i in range(energy_draws)]
            drawn_rows = torch.from_numpy(generator.integers(0, len(training), (len(mine), energy_draws)))
            x = source[torch.from_numpy(mine).to(source.device)]
            given = energy_score(torch.from_numpy(np.stack(each, axis=1)).to(source), x, std)
            without = energy_score(source[training[drawn_rows.to(source.device)]], x, std)
            told = {"row": mine, TRUE: given.cpu().numpy(), "marginal": without.cpu().numpy()}
            scores.append(pd.DataFrame(told))
    found = scored.merge(pd.concat(scores), on="row", validate="one_to_one")
    means = BySpeaker(found, settings.bootstrap_resamples, (*names, "energy"))
    for mode in (TRUE, "marginal"):
        means.add(ENERGY_SCORE_STATE, found[mode].to_numpy(), split=settings.split, mode=mode)
    cost = nats[found["row"].to_numpy()]
    means.add(INNOVATION_NATS, cost, split=settings.split, mode=TRUE)
    means.add(INNOVATION_KBIT_PER_S, cost / np.log(2) * frame_rate_hz / 1000, split=settings.split, mode=TRUE)
    described = compare_runs(
        {"sampled": drawn}, contexts, source, frames, (train, own), scaling, settings, names, {TRUE: true}
    )
    return described + means.records
