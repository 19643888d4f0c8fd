"""Mimi's encoder: the plain call of transformers on the whole clip against ours in causal tiles.

Run by hand: `python benchmarks/encoding.py`. The weights are random (the real architecture, seeded), so
nothing is downloaded; speed does not depend on their values. The two are timed in turns, after a first
encoding of each, and the best time of each counts: what else runs on the machine then weighs on both
alike, and least. Memory is how far a fresh process's peak rises above what it held before it encoded the
clip once.
"""

import argparse
import functools
import json
import tempfile
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import psutil
import torch
import transformers
from tqdm import tqdm
from transformers import MimiModel

from latentdyn.codecs.mimi import Mimi
from measure import cpu_name, in_fresh_process, parse, save_mimi, seconds

RATE_HZ, HOP = 24000, 1920
Encode = Callable[[np.ndarray], np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=float, nargs="+", default=[12, 24, 35], metavar="S", help="lengths, s")
    parser.add_argument("--tile", type=float, default=2.56, metavar="S", help="tile length, s (default 2.56)")
    parser.add_argument("--repeats", type=int, default=3, help="encodings timed of each (default 3)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="threads of torch")
    parser.add_argument("--peak-of", nargs=3, help=argparse.SUPPRESS)  # a measurement, in its own process
    arguments = parse(parser, quick={"clips": [1.0], "repeats": 1})
    torch.set_num_threads(arguments.threads)
    if arguments.peak_of:
        which, folder, clip_s = arguments.peak_of
        encode = {"plain": plain_encoder, "tiles": tiled_encoder}[which](folder, arguments.tile)
        print(json.dumps(peak_mb(encode, noise(float(clip_s)))))
        return

    print(f"{cpu_name()}, threads: {arguments.threads}, torch {torch.__version__}, ", end="")
    print(f"transformers {transformers.__version__}, tiles of {arguments.tile} s\n")
    print("| clip | plain, audio-s/s | tiles, audio-s/s | ratio | plain, MB | tiles, MB | largest difference |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        save_mimi(folder, small=arguments.quick)
        encoders = [plain_encoder(folder, arguments.tile), tiled_encoder(folder, arguments.tile)]
        for clip_s in tqdm(arguments.clips, unit="clip", disable=None):
            audio = noise(clip_s)
            ways = [functools.partial(encode, audio) for encode in encoders]
            a, b = (way() for way in ways)
            rounds = [[seconds(way) for way in ways] for _ in range(arguments.repeats)]
            plain_s, tiles_s = np.min(rounds, axis=0)
            options = ["--threads", arguments.threads, "--tile", arguments.tile]
            plain_mb, tiles_mb = (
                in_fresh_process(__file__, *options, "--peak-of", which, folder, clip_s) for which in ("plain", "tiles")
            )
            print(
                f"| {clip_s:g} s | {clip_s / plain_s:.1f} | {clip_s / tiles_s:.1f} | {plain_s / tiles_s:.2f} "
                f"| +{plain_mb:.0f} | +{tiles_mb:.0f} | {np.abs(a - b).max() / a.std():.1e} sd |",
                flush=True,
            )


def noise(clip_s: float) -> np.ndarray:
    """(1, n) of whole hops."""
    samples = round(clip_s * RATE_HZ / HOP) * HOP
    return (0.1 * np.random.default_rng(0).standard_normal((1, samples))).astype(np.float32)


def plain_encoder(folder: str, _tile_s: float) -> Encode:
    encoder: Any = MimiModel.from_pretrained(folder).eval().encoder

    def encode(audio: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            latents: torch.Tensor = encoder(torch.from_numpy(audio)[:, None]).latents
        return latents.transpose(1, 2).numpy()

    return encode


def tiled_encoder(folder: str, tile_s: float) -> Encode:
    return Mimi(folder, revision=None, untrained=False, frames="latent", tile_s=tile_s).encode


def peak_mb(encode: Encode, audio: np.ndarray) -> float:
    """How far one encoding raises this process's memory above what it holds now, sampled every 2 ms.

    The kernel's own high-water mark also knows the peak of loading the model, which is no part of encoding.
    """
    process, done, sizes = psutil.Process(), threading.Event(), [0]
    held = process.memory_info().rss

    def watch() -> None:
        while not done.wait(0.002):
            sizes.append(process.memory_info().rss - held)

    watcher = threading.Thread(target=watch)
    watcher.start()
    encode(audio)
    done.set()
    watcher.join()
    return max(sizes) / 1e6


if __name__ == "__main__":
    main()
