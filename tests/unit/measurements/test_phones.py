"""What frames tell about phones, on made-up speech in which everything is known."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from latentdyn.config.measurements.phones import Phones
from latentdyn.errors import UserError
from latentdyn.measurements import phones
from latentdyn.parquet import write_parquet
from tests.indexed import whole_index

RATE_HZ, FRAMES, N_PHONES = 50.0, 60, 4
SPEAKERS = {"t0": "train", "t1": "train", "t2": "train", "v0": "validation", "e0": "eval", "e1": "eval", "e2": "eval"}


def settings(**changes):
    return {**Phones(delays_ms=[0.0, 20.0, 40.0]).model_dump(mode="json"), "max_frames": 10_000,
            "bootstrap_resamples": 50, **changes}  # fmt: skip


@pytest.fixture
def subject(tmp_path):
    """Utterances of 12 phones of 80 ms, then silence; frames that point at their phone, 40 ms late, with noise."""

    def make(signal: float = 5.0, names: str = "{}-{}"):
        rng = np.random.default_rng(0)
        rows, owners, latents = [], {}, []
        for speaker in SPEAKERS:
            for u in range(4):
                name, spoken = names.format(speaker, u), rng.permutation(np.repeat(np.arange(N_PHONES), 3))
                rows += [(name, "phoneme", 0.08 * i, 0.08 * (i + 1), "aeio"[phone]) for i, phone in enumerate(spoken)]
                owners[f"{speaker}-{u}"] = speaker
                at = (np.arange(FRAMES) + 0.5) / RATE_HZ - 0.04
                place = np.floor(at / 0.08).astype(int)
                speaks = (place >= 0) & (place < len(spoken))
                x = rng.normal(size=(FRAMES, N_PHONES)) + 3.0
                x[speaks] += signal * np.eye(N_PHONES)[spoken[place[speaks]]]
                latents.append(x)
        columns = ["utterance_id", "tier", "start_s", "end_s", "label"]
        path = tmp_path / "alignments.parquet"
        write_parquet(path, pd.DataFrame(rows, columns=columns))
        index = whole_index([FRAMES] * len(owners), list(owners.values()), SPEAKERS, list(owners))
        store = SimpleNamespace(utterances=index.utterances.astype({"speaker_id": "str"}), frame_rate_hz=RATE_HZ)
        x = torch.from_numpy(np.concatenate(latents).astype(np.float32))
        return SimpleNamespace(store=store, index=index, latents=x, alignments=path)

    return make


def values(subject, **changes):
    return {r.metric: r.value for r in phones.measure(subject, settings(**changes)).records}


def test_frames_that_point_at_their_phone_tell_all_of_it(subject):
    records = {r.metric: r for r in phones.measure(subject(), settings()).records}
    found = {name: r.value for name, r in records.items()}
    assert found["phone_delay_ms"] == 40, "frames are late by two"
    assert found["phone_entropy"] == pytest.approx(np.log(4), abs=0.01)
    assert found["phone_information"] == pytest.approx(np.log(4), abs=0.1)
    assert found["phone_information_bits"] == pytest.approx(found["phone_information"] / np.log(2))
    assert found["phone_accuracy"] > 0.97 and found["phone_accuracy_chance"] == pytest.approx(0.25, abs=0.01)
    assert found["abx_within"] < 0.01 and found["abx_across"] < 0.01
    assert found["phone_information_permuted"] == pytest.approx(0, abs=0.02)
    assert found["abx_within_permuted"] == pytest.approx(0.5, abs=0.1)
    assert found["phones"] == 4 and found["phones_unseen"] == 0
    # three speakers, each with ten of its twelve tokens of each phone
    assert found["abx_tokens"] == 120
    # 48 frames of 60 in which one speaks, and the two at the start in which the first is not heard yet
    assert records["phone_information"].n == 12 * 48 and found["silent_share"] == pytest.approx(12 / 60)
    assert records["phone_information"].ci_low <= found["phone_information"] <= records["phone_information"].ci_high


def test_frames_that_point_at_nothing_tell_nothing(subject):
    found = values(subject(signal=0.0))
    assert found["phone_information"] == pytest.approx(0, abs=0.02)
    assert found["abx_within"] == pytest.approx(0.5, abs=0.05) and found["abx_across"] == pytest.approx(0.5, abs=0.05)


def test_silence_can_be_a_class_of_its_own(subject):
    found = values(subject(), silence=True)
    shares = np.array([0.2, 0.2, 0.2, 0.2, 0.2])
    assert found["phones"] == 5
    assert found["phone_entropy"] == pytest.approx(-(shares * np.log(shares)).sum(), abs=0.01)


def test_angles_are_about_the_mean_or_about_zero(subject):
    """About the mean an offset does not matter; about 0 the length of frames does not."""
    made, factors = subject(signal=1.0), np.random.default_rng(1).uniform(0.5, 20, (28 * FRAMES, 1))
    own, x = {centred: values(made, centred=centred)["abx_within"] for centred in (True, False)}, made.latents
    made.latents = x + torch.tensor([40.0, 0, 0, 0])
    assert values(made)["abx_within"] == pytest.approx(own[True], abs=0.002)
    assert abs(values(made, centred=False)["abx_within"] - own[False]) > 0.01
    made.latents = x * torch.from_numpy(factors.astype(np.float32))
    assert values(made, centred=False, delays_ms=[40.0])["abx_within"] == pytest.approx(own[False], abs=0.002)


def test_few_tokens_and_frames_are_drawn_by_name_and_a_lost_frame_loses_its_token(subject):
    made = subject()
    few = {"tokens_per_phone": 2, "speakers": 2, "train_frames": 300}
    found = values(made, **few)
    assert found["abx_tokens"] == 2 * 2 * N_PHONES and values(made, **few) == found
    finite = np.ones(len(made.latents), bool)
    finite[made.index.of_splits("eval").late(20).rows()] = False
    made.index = made.index.with_finite(finite)
    assert values(made)["abx_tokens"] < 120


def test_a_phone_of_no_training_speaker_is_left_out_and_counted(subject):
    made = subject()
    table = pd.read_parquet(made.alignments)
    first = table["utterance_id"].str.startswith("e0") & (table["label"] == "a")
    write_parquet(made.alignments, table.assign(label=table["label"].mask(first, "new")))
    found = values(made)
    assert found["phones"] == 4 and found["phones_unseen"] == 4 * 3 * 4


def test_what_is_missing_is_told(subject):
    made = subject()
    with pytest.raises(UserError, match="name no utterance of the latents"):
        values(subject(names="other-{}-{}"))
    with pytest.raises(UserError, match="nothing says when phones are spoken"):
        phones.measure(SimpleNamespace(**{**vars(made), "alignments": None}), settings())
    made = subject()
    made.index = made.index.of_splits("validation", "eval")
    with pytest.raises(UserError, match="no frame of split train"):
        values(made)


def test_utterances_without_times_are_left_out_with_a_warning(subject, caplog):
    made = subject()
    table = pd.read_parquet(made.alignments)
    write_parquet(made.alignments, table[~table["utterance_id"].isin(["e0-0", "e1-3"])])
    records = {r.metric: r for r in phones.measure(made, settings()).records}
    assert records["phone_information"].n == 10 * 48
    assert "2 of 28 utterances have no times of phones" in caplog.text
