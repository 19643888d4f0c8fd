"""What a store of pooled frames keeps of its source."""

import numpy as np

from latentdyn.stores.latents import open_latents
from latentdyn.stores.latents_writer import LatentsWriter
from latentdyn.stores.lineage import root_facts


def test_a_store_keeps_its_utterances_and_says_its_new_rate(tmp_path, derive):
    clips = {"a": np.arange(20, dtype=np.float32).reshape(10, 2), "short": np.ones((3, 2), np.float32)}
    writer = LatentsWriter(tmp_path / "source.json", 2, 50.0, causal=True, **root_facts({"kind": "soundstream"}))
    for name, latents in clips.items():
        writer.append(name, f"speaker of {name}", latents, np.full(len(latents), -20, np.float32))
    writer.close()

    settings = {"kind": "pooled", "frame_rate_hz": 12.5, "dtype": "float16"}
    pooled = derive(open_latents(tmp_path / "source.json"), settings)
    assert (pooled.frame_rate_hz, pooled.dim, pooled.handle["dtype"]) == (12.5, 2, "float16")
    assert (pooled.handle["kind"], pooled.handle["root"], pooled.handle["causal"]) == ("pooled", "soundstream", True)
    assert pooled.utterances.utterance_id.tolist() == ["a", "short"]
    assert pooled.utterances.speaker_id.tolist() == ["speaker of a", "speaker of short"]
    frames = {row.utterance_id: latents.tolist() for row, latents, _ in pooled.iterate()}
    assert frames == {"a": [[3, 4], [11, 12]], "short": []}
