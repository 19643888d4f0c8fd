"""What every measurement says of the latents that it is made of."""

import numpy as np
import torch

from latentdyn.measurements.subject import Subject
from latentdyn.stores.frames import write_frames


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
