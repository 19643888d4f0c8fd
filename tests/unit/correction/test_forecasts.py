"""Corrected forecasts: uncorrected ones are those of injection, corrections by hand, what a true score can do."""

import pytest
import torch

from latentdyn.correction.forecasts import evaluate_corrections
from latentdyn.correction.variants import KINDS, SamplingSettings
from latentdyn.diagnostics.injection import InjectionSettings, Mode, evaluate_injection
from latentdyn.distributions.gaussian_mixture import diagonal_gaussian
from latentdyn.errors import UserError
from latentdyn.models.score.network import ScoreModel
from latentdyn.predictors.base import Predictor
from latentdyn.seeds import numpy_generator
from tests.settings import process_of

DIM = 4
SETTINGS = InjectionSettings(splits=("eval",), utterances=12, segments=4, steps=5, injected_steps_b=(3,), draws=2,
                             temperature=1.0, bootstrap_resamples=100)  # fmt: skip
SAMPLING = SamplingSettings(sigmas=[0.5], step_size=0.5, n_steps=[1, 2])
VARIANTS = [(kind, n) for kind in KINDS[1:] for n in (1, 2)]
D, D_SAMPLED = Mode("D", "none"), Mode("D_sampled", "none")


def corrected(kind: str, n: int, mode: str = "D") -> Mode:
    return Mode(mode, kind, n, 0.5)


class Drifting(Predictor):
    """Always the same long step, away from everything; no number once it is far off, if it is to fail."""

    def __init__(self, fails=False):
        super().__init__(DIM, 2)
        self.fails = fails

    def density(self, context):
        steps = torch.ones_like(context[:, -1])
        failed = torch.where(context[:, -1:].norm(dim=2) > 6, torch.nan, 0.0)
        return diagonal_gaussian(steps + failed if self.fails else steps, torch.zeros_like(steps))


@pytest.fixture(scope="module")
def process():
    return process_of("var", dim=DIM, radius=0.6)


@pytest.fixture
def data(make_store, process):
    speakers = [f"{'tte'[i % 3]}{i:02}" for i in range(36)]
    store, frames = make_store({(s, s): process.utterance(40, numpy_generator("var", s)) for s in speakers})
    latents = torch.from_numpy(store.load())
    torch.manual_seed(0)
    model = ScoreModel(DIM, width=8, blocks=1, sigma_min=0.1, sigma_max=1.0).eval()  # the true score of these latents
    model.set_moments(latents, torch.from_numpy(frames.of_splits("train").rows()))
    return model, latents, frames


def evaluate(data, predictor, settings=SETTINGS, sampling=SAMPLING):
    model, latents, frames = data
    records, speakers = evaluate_corrections(
        predictor, {}, model, latents, frames, 12.5, sampling, settings, ("inject",)
    )
    found = {(r.metric, Mode(r.mode, r.correction, r.langevin_steps, r.sigma), r.step): r for r in records}
    assert len(found) == len(records)
    return found, speakers


def test_uncorrected_forecasts_are_those_of_the_injection_diagnostic(data):
    predictor = Drifting()
    found, _ = evaluate(data, predictor)
    injected, _ = evaluate_injection(predictor, {}, data[1], data[2], 12.5, SETTINGS, ("inject",))
    compared = [r for r in injected if r.mode in ("D", "D_sampled", None)]
    assert len(compared) > 100
    for r in compared:
        mine = found[r.metric, Mode(r.mode, "none" if r.mode else None), r.step]
        assert (mine.n, mine.status) == (r.n, r.status) and mine.value == pytest.approx(r.value, abs=1e-5), r


def test_every_variant_corrects_both_forecasts(data):
    found, speakers = evaluate(data, Drifting())
    expected = {D, D_SAMPLED, *(corrected(*v, mode) for mode in ("D", "D_sampled") for v in VARIANTS)}
    places = speakers[["mode", "correction", "langevin_steps", "sigma"]].astype(object)
    of_sums = {Mode(*values) for values in places.where(places.notna(), None).itertuples(index=False)}
    assert {mode for metric, mode, _ in found if metric == "cosine"} == expected == of_sums
    assert ("correction_cosine", D, None) not in found
    assert found["cosine", corrected("langevin", 1, "D_sampled"), None].n == 2 * found["cosine", D, None].n
    few, _ = evaluate(data, Drifting(), InjectionSettings(**{**vars(SETTINGS), "draws": 0}))
    assert ("cosine", D, None) in few and ("cosine", D_SAMPLED, None) not in few


def test_a_true_score_leads_drifting_states_back_and_noise_does_not(data):
    found, _ = evaluate(data, Drifting())
    error = {v: found["state_error_normalised", corrected(*v), 5].value for v in VARIANTS}
    none = found["state_error_normalised", D, 5].value
    assert error["score_only", 2] < error["score_only", 1] < none < error["noise_only", 2]
    assert found["correction_cosine", corrected("score_only", 1), 5].ci_low > 0.3
    assert abs(found["correction_cosine", corrected("noise_only", 1), None].value) < 0.1
    # step 1 starts from truth, whatever corrects the state that it leads to
    assert found["state_error", corrected("langevin", 2), 1].value == 0


def test_the_loss_of_the_true_score_is_that_of_the_gaussian_and_the_exact_one(data):
    found, _ = evaluate(data, Drifting())
    network, gaussian = (found[f"denoising_loss{m}", Mode(None, sigma=0.5), None] for m in ("", "_gaussian"))
    variances = data[0].variances
    exact = float((variances / (variances + 0.25)).mean())
    assert gaussian.n == 12 * 40 and gaussian.ci_low < exact < gaussian.ci_high
    assert network.value == pytest.approx(gaussian.value)


def test_what_leaves_the_range_of_numbers_is_counted(data):
    found, _ = evaluate(data, Drifting(fails=True))
    for mode in (D, corrected("noise_only", 1)):
        assert found["cosine", mode, 5].status == "overflow" and found["nonfinite", mode, 5].value > 0
        assert found["nonfinite", mode, 1].value == 0
    assert found["correction_cosine", corrected("noise_only", 1), 5].status == "overflow"


def test_a_level_that_was_not_trained_is_refused(data):
    with pytest.raises(UserError, match=r"levels from 0\.1 to 1, not at 3"):
        evaluate(data, Drifting(), sampling=SamplingSettings(sigmas=[3.0], step_size=0.5, n_steps=[1]))
