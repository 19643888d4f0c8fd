"""SoundStream's encoder and decoder: the files run hop by hop by TFLite against tiles, by TFLite and by torch.

Run by hand: `python benchmarks/soundstream.py --folder FOLDER`, where FOLDER holds Lyra's files. (Without it: the
folder lyra-v1.2.0 of LATENTDYN_TEST_DATA.) The audio is noise whose level wanders; speed does not depend on what is
said. All are timed in turns, on one thread. TFLite only encodes in tiles.
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
    tflite, torches = (SoundStream(arguments.folder, runtime=runtime) for runtime in ("tflite", "torch"))
    a_hop, a_frame = (1, tflite.hop_samples), (1, 1, tflite.dim)
    n = round(arguments.seconds * tflite.frame_rate_hz)
    rng = np.random.default_rng(0)
    level = np.repeat(rng.uniform(0, 0.3, n), tflite.hop_samples)
    audio = (level * rng.normal(size=len(level))).astype(np.float32)[None]
    latents = tflite.encode(audio)[0]
    encoder = HopModel(Path(arguments.folder) / "soundstream_encoder.tflite", a_hop, a_frame, "")
    decoder = HopModel(Path(arguments.folder) / "lyragan.tflite", a_frame, a_hop, "")
    ways: dict[str, Callable[[], np.ndarray]] = {
        "encode, hops": lambda: encoder.open()(audio.reshape(n, -1)),
        "encode, TFLite": lambda: tflite.encode(audio)[0],
        "encode, torch": lambda: torches.encode(audio)[0],
        "decode, hops": lambda: decoder.open()(latents).reshape(-1),
        "decode, torch": lambda: torches.decode(latents),
    }
    taken = in_turns({name: functools.partial(seconds, way) for name, way in ways.items()}, arguments.repeats)
    rows = []
    for way in ("encode, TFLite", "encode, torch", "decode, torch"):
        of_hops = f"{way.split(',')[0]}, hops"
        off = np.abs(ways[of_hops]() - ways[way]()).max()
        best = (f"{taken[name].min():.2f}" for name in (of_hops, way))
        rows.append([f"{way} in tiles", *best, f"{ratio(taken[of_hops], taken[way]):.2f}", f"{off:.1e}"])
    print(f"{arguments.seconds:g} s of audio; best of {arguments.repeats}, ratios are medians:\n")
    print(table(["", "TFLite hop by hop, s", "this, s", "ratio", "largest difference"], rows))


if __name__ == "__main__":
    main()
