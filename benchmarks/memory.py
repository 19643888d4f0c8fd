"""Peak memory, each in a fresh process: of fitting a predictor, and of encoding clips of different lengths.

Run by hand: `python benchmarks/memory.py`. Fitting is `fit_model` of the paper's MDN (4096 -> 1024 -> 1024 ->
mixture of 8 over 512), with its scaling, validations and saved states; its peak is that of the whole process, libraries
included, and beside it stands what is more than the resident latents. Encoding is one FLAC file through reading,
log-mel and the spool, as the pipeline does it; its peak is above what the process held before.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soundfile
import torch

from latentdyn.codecs.base import open_codec
from latentdyn.codecs.encoding import encode_recordings
from latentdyn.files import file_sha256
from latentdyn.models.fit import fit_model
from latentdyn.stores.frames import index_frames
from latentdyn.stores.latents import open_latents
from latentdyn.stores.latents_writer import LatentsWriter
from latentdyn.stores.spool import Spool
from measure import in_fresh_process, machine, noise_blocks, parse, peak_rss_mb, table, utterance_lengths

RATE_HZ = 16_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dim", type=int, default=512, metavar="D", help="dimensions of the latents (default 512)")
    parser.add_argument("--frames", type=int, nargs="+", default=[50_000, 200_000], help="of a store")
    parser.add_argument("--steps", type=int, default=30, help="training steps (default 30)")
    parser.add_argument("--clips", type=float, nargs="+", default=[10, 60, 600], metavar="S", help="lengths, s")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="threads of torch")
    parser.add_argument("--peak-of", nargs=3, help=argparse.SUPPRESS)  # a measurement, in its own process
    arguments = parse(parser, quick={"dim": 8, "frames": [3200], "steps": 2, "clips": [1.0]})
    torch.set_num_threads(arguments.threads)
    if arguments.peak_of:
        what, path, settings = arguments.peak_of
        peak_of = {"fit": peak_of_fit, "encoding": peak_of_encoding}[what]
        print(json.dumps(peak_of(Path(path), json.loads(settings))))
        return
    print(f"{machine()}\n")
    mdn, logmel = settings_of_both(arguments.steps)
    options = ["--threads", arguments.threads, "--peak-of"]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        rows = []
        for n_frames in arguments.frames:
            store_mb = n_frames * arguments.dim * 4 / 1e6
            peak = in_fresh_process(
                __file__, *options, "fit", write_store(folder / f"{n_frames}.json", n_frames, arguments.dim), mdn
            )
            rows.append([n_frames, f"{store_mb:.0f}", *(f"{mb:.0f}" for mb in peak.values())])
            rows[-1].append(f"{peak['fit'] - store_mb:.0f}")
        header = [
            "frames",
            "latents, MB",
            "process with its libraries, MB",
            "peak of fitting, MB",
            "peak less latents, MB",
        ]
        print(table(header, rows) + "\n")
        rows = []
        for clip_s in arguments.clips:
            peak = in_fresh_process(__file__, *options, "encoding", write_clip(folder / "clip.flac", clip_s), logmel)
            rows.append([f"{clip_s:g} s", f"+{peak['encoding']:.1f}"])
        print(table(["clip", "encoding, MB"], rows))


def settings_of_both(steps: int) -> tuple[str, str]:
    """The paper's MDN and the log-mel codec, as JSON: the processes that are measured do without the config."""
    from latentdyn.config.predictors import MDN
    from latentdyn.config.representations.encoders import LogMel
    from latentdyn.config.training import Training

    training = Training(steps=steps, validate_every_steps=max(1, steps // 2))
    mdn = MDN(kind="mdn", horizons=[1, 8], training=training)
    return mdn.canonical(), LogMel(kind="logmel", sample_rate_hz=RATE_HZ).canonical()


def write_store(handle: Path, n_frames: int, dim: int) -> Path:
    writer = LatentsWriter(handle, dim, 12.5)
    for i, latents in enumerate(noise_blocks(utterance_lengths(n_frames // 160, n_frames), dim)):
        writer.append(f"utterance{i:05}", f"speaker{i % 50:02}", latents)
    writer.close()
    return handle


def peak_of_fit(handle: Path, settings: dict[str, Any]) -> dict[str, float]:
    before = peak_rss_mb()
    store = open_latents(handle)
    splits = pd.DataFrame({"speaker_id": store.utterances.speaker_id.unique()})
    splits["split"] = np.where(splits.index % 10 == 0, "validation", "train")
    fit_model(
        "predictor",
        settings,
        store,
        index_frames(store, splits),
        seed=0,
        state=handle.with_suffix(".state"),
        device=torch.device("cpu"),
    )
    return {"before": before, "fit": peak_rss_mb()}


def write_clip(path: Path, clip_s: float) -> Path:
    noise = 0.1 * np.random.default_rng(0).standard_normal(round(clip_s * RATE_HZ))
    soundfile.write(path, noise, RATE_HZ)
    return path


def peak_of_encoding(path: Path, settings: dict[str, Any]) -> dict[str, float]:
    codec = open_codec(settings)
    part = pd.DataFrame({"utterance_id": ["clip"], "path": [path.name], "sample_rate_hz": [RATE_HZ]})
    part = part.assign(n_samples=soundfile.info(path).frames, sha256=file_sha256(path))
    with tempfile.TemporaryDirectory() as folder:
        spool = Spool(Path(folder), codec.dim)
        before = peak_rss_mb()
        encode_recordings(part, path.parent, codec, spool)
        spool.close()
    return {"encoding": peak_rss_mb() - before}


if __name__ == "__main__":
    main()
