"""SoundStream's encoder and decoder: the files run hop by hop by TFLite against the same weights in torch, in tiles.

Run by hand: `python benchmarks/soundstream.py --folder FOLDER`, where FOLDER holds Lyra's files. (Without it: the
folder lyra-v1.2.0 of LATENTDYN_TEST_DATA.) The audio is noise whose level wanders; speed does not depend on what is
said. All four are timed in turns, on one thread.
"""

import argparse
import functools
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from latentdyn.codecs.soundstream import SoundStream
from latentdyn.codecs.tflite import HopModel
from measure import in_turns, machine, parse, ratio, seconds, table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Path(os.environ.get("LATENTDYN_TEST_DATA", ".")) / "lyra-v1.2.0"
    parser.add_argument("--folder", default=str(default), help="with soundstream_encoder.tflite and lyragan.tflite")
    parser.add_argument("--seconds", type=float, default=60.0, metavar="S", help="of audio (default 60)")
    parser.add_argument("--repeats", type=int, default=3, help="of each, in turns (default 3)")
    arguments = parse(parser, quick={"seconds": 1.0, "repeats": 1})
    torch.set_num_threads(1)
    print(f"{machine()}\n")
    hops, torches = (SoundStream(arguments.folder, runtime=runtime) for runtime in ("tflite", "torch"))
    n = round(arguments.seconds * hops.frame_rate_hz)
    rng = np.random.default_rng(0)
    level = np.repeat(rng.uniform(0, 0.3, n), hops.hop_samples)
    audio = (level * rng.normal(size=len(level))).astype(np.float32)[None]
    latents = hops.encode(audio)[0]
    decoder = HopModel(Path(arguments.folder) / "lyragan.tflite", (1, 1, hops.dim), (1, hops.hop_samples), "")
    ways: dict[str, Callable[[], np.ndarray]] = {
        "encode, TFLite": lambda: hops.encode(audio)[0],
        "encode, torch": lambda: torches.encode(audio)[0],
        "decode, TFLite": lambda: decoder.open()(latents).reshape(-1),
        "decode, torch": lambda: torches.decode(latents),
    }
    taken = in_turns({name: functools.partial(seconds, way) for name, way in ways.items()}, arguments.repeats)
    rows = []
    for name in ("encode", "decode"):
        one, other = (f"{name}, {runtime}" for runtime in ("TFLite", "torch"))
        off = np.abs(ways[one]() - ways[other]()).max()
        best = (f"{taken[way].min():.2f}" for way in (one, other))
        rows.append([name, *best, f"{ratio(taken[one], taken[other]):.2f}", f"{off:.1e}"])
    print(f"{arguments.seconds:g} s of audio; best of {arguments.repeats}, ratios are medians:\n")
    print(table(["", "TFLite, s", "torch, s", "ratio", "largest difference"], rows))


if __name__ == "__main__":
    main()
