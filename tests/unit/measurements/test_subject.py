"""What every measurement says of the latents that it is made of."""

import numpy as np
import pytest
import torch

from latentdyn.errors import UserError
from latentdyn.measurements.subject import Subject
from latentdyn.stores.frames import write_frames


def test_frames_of_another_store_stand_at_the_rows_of_this_one(make_store, tmp_path):
    rng = np.random.default_rng(0)
    data = {("a", "t1"): rng.normal(size=(5, 2)), ("b", "t2"): rng.normal(size=(7, 2))}
    make_store(data, "own")
    make_store({("b", "t2"): data["b", "t2"][:6], ("c", "t3"): rng.normal(size=(9, 2)), ("a", "t1"): data["a", "t1"]})
    subject = Subject(tmp_path / "own.json", tmp_path / "frames.json", {}, torch.device("cpu"))
    found = subject.frames_of(tmp_path / "latents.json")
    expected = np.concatenate([data["a", "t1"], data["b", "t2"]]).astype(np.float32)
    np.testing.assert_array_equal(found[:11], expected[:11])
    assert np.isnan(found[11]).all() and len(found) == 12
    make_store({("a", "t1"): data["a", "t1"]}, "few")
    with pytest.raises(UserError, match="lacks 1 of 2 utterances, the first is b"):
        subject.frames_of(tmp_path / "few.json")


def test_frames_that_decide_are_counted_and_named_in_the_log(make_store, tmp_path, caplog):
    rng = np.random.default_rng(0)
    data = {(f"u{i}", f"{'ttve'[i % 4]}{i}"): rng.normal(size=(200, 3)) for i in range(4)}

    def facts():
        store, frames = make_store(data)
        handle = tmp_path / "frames.json"
        write_frames(handle.with_suffix(".parquet"), handle, frames, store)
        return Subject(tmp_path / "latents.json", handle, {}, torch.device("cpu")).facts()

    assert facts() == [] and not caplog.messages
    data["u2", "v2"][50, 0] = data["u3", "e3"][60, 1] = 1e3
    told = [(record.metric, record.split, record.value, record.n) for record in facts()]
    assert told == [("far_out_frames", "eval", 1.0, 200), ("far_out_frames", "validation", 1.0, 200)]
    assert "frame 50 of the utterance 'u2': leave out or clip such frames" in caplog.text
