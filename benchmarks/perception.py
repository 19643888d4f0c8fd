"""Scoring decoded audio in a pool of processes, beside one process.

Run by hand: `python benchmarks/perception.py`. Every clip is noise whose level wanders, decoded from log-mel frames by
Griffin-Lim and scored beside the original, as a job of the room `perception` does it. Each time is of a fresh process
that has its libraries: the start of the others (which import theirs) is in it, as in a job.
"""

import argparse
import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from latentdyn.codecs.base import open_codec
from latentdyn.perception.listening import Listener, Part, Presentation, Session
from latentdyn.perception.mel import RATE_HZ, MelSettings
from latentdyn.perception.scores import Original
from latentdyn.perception.source import Decoder
from measure import in_turns, machine, parse, ratio, seconds, table

_CODEC = {"kind": "logmel", "sample_rate_hz": RATE_HZ, "hop_samples": 320, "fft_samples": 640, "n_mels": 64,
          "floor_db": -80.0, "dtype": "float32"}  # fmt: skip
_MEL = MelSettings(n_fft=1024, hop=256, n_mels=80, floor_db=-80.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=96, metavar="N", help="how many (default 96)")
    parser.add_argument("--seconds", type=float, default=8.0, metavar="S", help="length of each (default 8)")
    parser.add_argument("--scores", nargs="+", default=["pesq", "stoi", "mel_distance"], help="of each clip")
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2], metavar="P", help="(default 1 2)")
    parser.add_argument("--repeats", type=int, default=3, help="of each, in turns (default 3)")
    quick = {"clips": 2, "seconds": 1.0, "scores": ["mel_distance"], "processes": [1], "repeats": 1}
    arguments = parse(parser, quick=quick)
    print(f"{machine()}\n")
    scores, n = tuple(arguments.scores), arguments.clips

    def fresh(processes: int) -> float:
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as one:
            return one.submit(hear, n, arguments.seconds, scores, processes).result()

    taken = in_turns({str(p): lambda p=p: fresh(p) for p in arguments.processes}, arguments.repeats)  # type: ignore[misc]
    first = taken[str(arguments.processes[0])]
    rows = [[p, f"{n * arguments.seconds / np.median(s):.1f}", f"{ratio(first, s):.2f}"] for p, s in taken.items()]
    print(f"{n} clips of {arguments.seconds:g} s, {', '.join(scores)}:\n")
    print(table(["processes", "seconds of audio a second", "times the first"], rows))


def hear(n_clips: int, clip_s: float, scores: tuple[str, ...], processes: int) -> float:
    """Seconds to hear so many clips in so many processes."""
    clips = presentations(n_clips, clip_s, scores)
    session = Session(Listener(Decoder(_CODEC), _MEL), processes, scores=scores)
    return seconds(lambda: list(session.hear(clips)))


def presentations(n_clips: int, clip_s: float, scores: tuple[str, ...]) -> list[Presentation]:
    """Clips, each with its original and the log-mel frames that it is decoded from."""
    rng = np.random.default_rng(0)
    n = round(clip_s * RATE_HZ) // 320 * 320
    codec, found = open_codec(_CODEC, device="cpu"), []
    for i in range(n_clips):
        level = np.interp(np.arange(n), np.linspace(0, n, 40), rng.uniform(0.01, 0.3, 40))
        audio = (level * rng.normal(size=n)).astype(np.float32)
        frames = codec.encode(audio[None])[0]
        parts = (Part("all", None, scores),)
        found.append(Presentation(f"u{i}", f"s{i}", Original(audio), frames, parts, {"mode": "x"}))
    return found


if __name__ == "__main__":
    main()
