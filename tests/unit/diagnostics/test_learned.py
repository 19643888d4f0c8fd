"""What representations are judged by: nothing that can be undone changes it, and known processes have known values."""

import numpy as np
import pytest

from latentdyn.diagnostics.learned.decoding import decoded_skill, line_back, reconstruction
from latentdyn.diagnostics.learned.information import state_information
from latentdyn.diagnostics.learned.innovation_rate import innovation_rate
from latentdyn.diagnostics.learned.pair import Pair
from latentdyn.errors import UserError
from latentdyn.representations.base import Source, Utterance
from latentdyn.representations.leaky import Leaky

W, HORIZONS, RIDGES = 3, [1, 2, 4], [1e-6, 1e-3]
A = np.array([[0.8, 0.3, 0.0], [-0.3, 0.8, 0.0], [0.1, 0.0, 0.5]])
MIXING = np.array([[3.0, 1.0, 0.2], [0.0, 0.1, -1.0], [1.0, 2.0, 40.0]])


@pytest.fixture
def frames_of(make_store, var_process):
    """A VAR(1) of three dimensions: its frames (n, 3) and their index."""

    def make(n_speakers=50, n_frames=120, change=lambda x, speaker: x):
        data = {key: change(x, key[1]) for key, x in var_process(A, n_speakers, n_frames).items()}
        store, index = make_store(data)
        return store.load(), index

    return make


@pytest.fixture
def var_frames(frames_of):
    return frames_of()


def identity(frames, _):
    return frames


def pair_of(own, reference, index, ahead=4):
    return Pair.of(own, reference, index, W, ahead)


def skill(pair, back=identity, mode="exact", **changes):
    settings = {"ridges": RIDGES, "max_forecasts": 5000, "resamples": 50, "seed_names": ("t",)} | changes
    return values(decoded_skill(pair, back, mode, HORIZONS, **settings))


def told(pair, **changes):
    settings = {"ridges": RIDGES, "max_frames": 5000, "resamples": 50, "seed_names": ("t",)} | changes
    return state_information(pair, HORIZONS, **settings)


def values(found, mode=None):
    records = [r for r in found.records if mode in (None, r.mode)]
    return {(r.metric, r.horizon): r.value for r in records}


def stationary():
    s = np.eye(3)
    for _ in range(500):
        s = A @ s @ A.T + np.eye(3)
    return s


def test_a_var_has_its_closed_forms(var_frames):
    x, index = var_frames
    pair, s = pair_of(x, x, index), stationary()
    found = skill(pair)
    information = told(pair)
    own, window = values(information, "frame"), values(information, "window")
    for h in HORIZONS:
        power = np.linalg.matrix_power(A, h)
        rest = s - power @ s @ power.T
        assert found["decoded_skill", h] == pytest.approx(1 - np.trace(rest) / np.trace(s), abs=0.03)
        log_det, log_det_rest = (np.linalg.slogdet(m)[1] for m in (s, rest))
        entropy = 0.5 * (3 * np.log(2 * np.pi * np.e) + log_det_rest)
        assert found["decoded_nll", h] == pytest.approx(entropy, abs=0.05)
        exact = 0.5 * (log_det - log_det_rest)
        assert own["state_information_whole", h] == pytest.approx(exact, abs=0.05)
        assert own["state_information", h] == pytest.approx(exact, abs=0.08), "shuffled states tell nothing"
        assert window["state_information_whole", h] == pytest.approx(exact, abs=0.06), "older frames add nothing"


def test_an_invertible_linear_map_changes_nothing(var_frames):
    x, index = var_frames
    mixed = (x @ MIXING + 5).astype(np.float32)
    back = lambda frames, _: ((frames - 5) @ np.linalg.inv(MIXING)).astype(np.float32)  # noqa: E731
    plain, other = pair_of(x, x, index), pair_of(mixed, x, index)
    assert skill(other, back) == pytest.approx(skill(plain), abs=1e-4)
    assert values(told(other)) == pytest.approx(values(told(plain)), abs=1e-4)


def test_a_leaky_integrator_gains_nothing_though_it_predicts_itself_better(var_frames):
    x, index = var_frames
    leaky = Leaky(Source(3, 12.5), "float32", 0.9)
    y = np.empty_like(x)
    for utterance, mine in index.by_utterance():
        rows = mine.rows()
        y[rows], _ = leaky.apply(Utterance(utterance, "s", "train", x[rows], np.zeros(len(rows), np.float32)))
    ceiling, found = skill(pair_of(x, x, index)), skill(pair_of(y, x, index), leaky.invert)
    itself = skill(pair_of(y, y, index))
    for h in HORIZONS:
        assert found["decoded_skill", h] == pytest.approx(ceiling["decoded_skill", h], abs=0.005)
        assert found["decoded_nll", h] == pytest.approx(ceiling["decoded_nll", h], abs=0.02)
        assert itself["decoded_skill", h] > ceiling["decoded_skill", h] + 0.1


def test_what_a_representation_leaves_out_it_cannot_forecast(var_frames):
    x, index = var_frames
    pair = pair_of(x[:, :1], x, index)
    back = line_back(pair, RIDGES)
    ceiling, found = skill(pair_of(x, x, index)), skill(pair, back, "line")
    assert all(found["decoded_skill", h] < ceiling["decoded_skill", h] - 0.02 for h in HORIZONS)
    (kept,) = reconstruction(pair, back, "line", 50, ("t",)).records
    s = stationary()
    assert kept.value == pytest.approx(np.square(s[0]).sum() / s[0, 0] / np.trace(s), abs=0.03)
    (whole,) = reconstruction(pair_of(x, x, index), identity, "exact", 50, ("t",)).records
    assert whole.value == 1 and whole.ci_low == 1


def test_what_comes_back_after_a_frame_that_is_not_finite_is_not_scored_and_an_overflow_is(var_frames):
    x, index = var_frames
    broken, rows = x.copy(), index.of_splits("eval").rows()
    broken[rows[40]] = np.nan

    def one_before(frames, _):
        """A way back that reads the frame before."""
        return np.where(np.isfinite(np.roll(frames, 1, axis=0)).all(axis=1, keepdims=True), frames, np.nan)

    pair = pair_of(broken, x, index)
    (plain,) = reconstruction(pair, identity, "exact", 50, ("t",)).records
    (found,) = reconstruction(pair, one_before, "exact", 50, ("t",)).records
    assert (plain.value, found.value) == (1, 1) and found.n == plain.n - 1
    (lost,) = reconstruction(pair_of(x, x, index), lambda frames, _: frames * np.nan, "exact", 50, ("t",)).records
    assert lost.value is None and lost.status == "overflow"


def test_the_line_back_is_the_inverse_where_one_exists(var_frames):
    x, index = var_frames
    pair = pair_of((x @ MIXING).astype(np.float32), x, index)
    expected = skill(pair_of(x, x, index))
    assert skill(pair, line_back(pair, [0.0])) == pytest.approx(expected, abs=1e-3)


def test_as_many_directions_of_the_window_tell_no_less_than_the_frame(var_frames):
    x, index = var_frames
    information = told(pair_of(x[:, 2:], x, index))
    frame, cca = values(information, "frame"), values(information, "cca")
    assert all(cca["state_information", h] > frame["state_information", h] - 0.02 for h in HORIZONS)
    assert cca["state_information", 1] > frame["state_information", 1] + 0.05, "the best direction is not the first"


def test_the_rate_of_white_frames_is_known_and_at_equal_damage_a_filter_saves_nothing(frames_of):
    rng = np.random.default_rng(0)
    x, index = frames_of(change=lambda x, _: rng.normal(size=x.shape))
    leaky = Leaky(Source(3, 12.5), "float32", 0.9)
    y = np.empty_like(x)
    for utterance, mine in index.by_utterance():
        rows = mine.rows()
        y[rows], _ = leaky.apply(Utterance(utterance, "s", "train", x[rows], np.zeros(len(rows), np.float32)))

    def rate(own, back):
        settings = {"ridges": RIDGES, "max_frames": 5000, "resamples": 20, "seed_names": ("t",)}
        records, _ = innovation_rate(
            pair_of(own, x, index), back, damage=0.05, frame_rate_hz=1000 * np.log(2), window_frames=W, **settings
        )
        return next(r.value for r in records if r.metric == "rate_kbit_per_s")  # nats a frame, at this frame rate

    exact = 0.5 * 3 * np.log(1 + 1 / 0.05)
    assert rate(x, identity) == pytest.approx(exact, abs=0.05)
    back = lambda frames, _: ((frames - 5) @ np.linalg.inv(MIXING)).astype(np.float32)  # noqa: E731
    assert rate((x @ MIXING + 5).astype(np.float32), back) == pytest.approx(exact, abs=0.05)
    assert rate(y, leaky.invert) > exact
    records, _ = innovation_rate(
        pair_of(x, x, index), lambda frames, _: np.zeros_like(frames), damage=0.05, frame_rate_hz=1.0, window_frames=W,
        ridges=RIDGES, max_frames=500, resamples=20, seed_names=("t",),
    )  # fmt: skip
    assert [r.status for r in records] == ["undefined"], "noise does not reach the reference's frames"


def test_what_is_constant_in_an_utterance_is_subtracted(frames_of):
    def with_voice(x, speaker):
        return x + 30 * np.random.default_rng(len(speaker) + int(speaker[1:])).normal(size=3)

    x, index = frames_of(change=with_voice)
    information = values(told(pair_of(x, x, index)), "frame")
    assert information["state_information_whole", 4] > information["state_information", 4] + 3


def test_a_way_back_that_overflows_is_told(var_frames):
    x, index = var_frames

    def broken(frames, _):
        return np.where(np.arange(len(frames))[:, None] == W + 3, np.nan, frames)  # the frame four steps ahead

    pair = pair_of(x, x, index)
    with pytest.raises(UserError, match="0 forecasts of training speakers are too few for a covariance"):
        skill(pair, broken)
    only_eval = {name for name, _ in index.of_splits("eval").by_utterance()}
    found = decoded_skill(
        pair, lambda frames, name: broken(frames, name) if name in only_eval else frames, "exact", HORIZONS,
        ridges=RIDGES, max_forecasts=500, resamples=10, seed_names=("t",),
    ).records  # fmt: skip
    assert [(r.status, r.horizon) for r in found if r.metric == "decoded_skill"] == [
        ("ok", 1), ("ok", 2), ("overflow", 4),
    ]  # fmt: skip


def test_frames_that_are_not_finite_are_left_out(frames_of):
    def with_gap(x, speaker):
        x = x.copy()
        x[60] = np.nan
        return x

    x, index = frames_of(change=with_gap)
    pair = pair_of(x, x, index)
    rows = pair.rows("eval")
    touched = np.abs((rows % 120)[:, None] - 60) <= 0
    assert not touched.any() and all(abs(t - 60) > 2 or t > 60 for t in rows % 120)
    assert all(np.isfinite(value) for value in skill(pair).values())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: (x, np.repeat(x[:, :1], 3, axis=1)), r"vary in 1 of 3 dimensions, and those of the reference must"),
        (lambda x: (np.ones_like(x), x), r"vary in 0 of 3 dimensions, and those of the representation must"),
        (lambda x: (x, np.full_like(x, np.nan)), r"not finite"),
    ],
)
def test_frames_that_tell_nothing_are_refused(frames_of, change, message):
    x, index = frames_of(n_speakers=10, n_frames=20)
    with pytest.raises(UserError, match=message):
        pair_of(*change(x), index)


def test_too_little_is_refused(frames_of):
    x, index = frames_of(n_speakers=5, n_frames=8)
    with pytest.raises(UserError, match=r"no utterance is long enough.*longest utterance has 8"):
        Pair.of(x, x, index, 6, 4)
    with pytest.raises(UserError, match=r"training frames are too few for contexts of 9 numbers"):
        skill(pair_of(x, x, index))
    x, index = frames_of()
    with pytest.raises(UserError, match="ridge strengths are chosen by held-out training speakers"):
        skill(pair_of(x, x, index.of_splits("train", "eval")))


@pytest.mark.parametrize(("factor", "refused"), [(1e2, False), (1e5, True)])
def test_speakers_far_apart_are_told_and_not_called_repeated_frames(frames_of, factor, refused):
    draw, offsets = np.random.default_rng(0), {}
    x, index = frames_of(12, 80, lambda x, speaker: x + offsets.setdefault(speaker, factor * draw.standard_normal(3)))
    if not refused:
        pair_of(x, x, index)
        return
    with pytest.raises(UserError, match="subtract from the frames of each speaker their mean"):
        pair_of(x, x, index)
