"""Many short recordings, from FLACs to latents on the disk: our loop against a plain one.

Run by hand: `OMP_NUM_THREADS=1 python benchmarks/encode_files.py --data FOLDER`, where FOLDER holds LibriSpeech/ and
lyra-v1.2.0/. (Without it: LATENTDYN_TEST_DATA.) Recordings are cut from LibriSpeech and written as FLACs.

The plain loop reads a file with soundfile, resamples it where its rate is another, encodes it and writes an array a
file: log-mel by librosa, SoundStream by an interpreter of TFLite a file, hop by hop. A third line has our own codec in
the plain loop. Ours does more: it compares the digest of each file with the manifest's, measures levels, and keeps its
work with digests, synced. The ways are timed in turns, after a first round of each; the files are in the system's
cache.
"""

import argparse
import functools
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import librosa
import numpy as np
import pandas as pd
import soundfile
import soxr
import torch

from latentdyn.codecs.base import Codec
from latentdyn.codecs.encoding import encode_recordings
from latentdyn.codecs.logmel import LogMel
from latentdyn.codecs.soundstream import SoundStream
from latentdyn.codecs.tflite import HopModel
from latentdyn.files import file_sha256
from latentdyn.stores.spool import Spool
from measure import in_turns, machine, parse, ratio, table

RATE_HZ = 16000
Encode = Callable[[np.ndarray], np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = os.environ.get("LATENTDYN_TEST_DATA", ".")
    parser.add_argument("--data", type=Path, default=Path(default), help="holds LibriSpeech/ and lyra-v1.2.0/")
    parser.add_argument("--files", type=int, default=500, help="recordings (default 500)")
    parser.add_argument("--seconds", type=float, default=3.0, metavar="S", help="length of each (default 3)")
    parser.add_argument("--repeats", type=int, default=3, help="of each, in turns (default 3)")
    arguments = parse(parser, quick={"files": 4, "seconds": 1.0, "repeats": 1})
    torch.set_num_threads(1)
    print(f"{machine()}\n")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        part = cut_recordings(arguments.data / "LibriSpeech", folder, arguments.files, arguments.seconds)
        mel = LogMel(RATE_HZ, hop_samples=1280, fft_samples=1280, n_mels=64, floor_db=-80.0)
        lyra = arguments.data / "lyra-v1.2.0"
        stream = SoundStream(str(lyra), runtime="tflite")
        encoder = HopModel(lyra / "soundstream_encoder.tflite", (1, stream.hop_samples), (1, 1, stream.dim), "")
        rows = [
            compare("log-mel by librosa", by_librosa(mel), mel, part, folder, arguments.repeats),
            compare("the same, by our codec", by_codec(mel), mel, part, folder, arguments.repeats),
            compare("SoundStream by TFLite", by_hops(encoder), stream, part, folder, arguments.repeats),
        ]
    print(f"{len(part)} FLACs of {arguments.seconds:g} s; best of {arguments.repeats}, ratios are medians:\n")
    figures = ["plain, s", "ours, s", "ratio", "plain, CPU s", "ours, CPU s", "ratio", "largest difference"]
    print(table(["plain loop", *figures], rows))


def cut_recordings(corpus: Path, folder: Path, n_files: int, length_s: float) -> pd.DataFrame:
    """Write FLACs of this length into the folder: the beginnings of all recordings that are long enough, then what
    follows, until there are so many. Returns their part of a manifest."""
    n, rows = round(length_s * RATE_HZ), []
    sources = sorted(corpus.rglob("*.flac"))
    lengths = [soundfile.info(source).frames for source in sources]
    cuts = [(at, source) for source, length in zip(sources, lengths, strict=True) for at in range(0, length - n + 1, n)]
    for at, source in sorted(cuts)[:n_files]:
        name = f"{source.stem}-{at}"
        soundfile.write(folder / f"{name}.flac", soundfile.read(source, n, at, dtype="int16")[0], RATE_HZ)
        rows.append({"utterance_id": name, "path": f"{name}.flac", "n_samples": n, "sample_rate_hz": RATE_HZ,
                     "sha256": file_sha256(folder / f"{name}.flac")})  # fmt: skip
    return pd.DataFrame(rows)


def compare(name: str, encode: Encode, codec: Codec, part: pd.DataFrame, folder: Path, repeats: int) -> list[str]:
    """A row: both ways to the same latents, in seconds and in CPU seconds."""
    spent: dict[str, list[float]] = defaultdict(list)

    def timed(way: str, work: Callable[[Path], object]) -> float:
        with tempfile.TemporaryDirectory(dir=folder) as out:
            start, before = time.perf_counter(), time.process_time()
            work(Path(out))
            spent[way].append(time.process_time() - before)
            return time.perf_counter() - start

    plain = functools.partial(plain_loop, part, folder, codec, encode)
    ours = functools.partial(our_loop, part, folder, codec)
    taken = in_turns({"plain": lambda: timed("plain", plain), "ours": lambda: timed("ours", ours)}, repeats)
    cpu = {way: np.asarray(figures[1:]) for way, figures in spent.items()}  # as `in_turns`, without the first round
    cells = [
        cell
        for figures in (taken, cpu)
        for cell in (
            *(f"{figures[way].min():.2f}" for way in ("plain", "ours")),
            f"{ratio(figures['plain'], figures['ours']):.2f}",
        )
    ]
    return [name, *cells, f"{largest_difference(part, folder, codec, encode):.1e}"]


def plain_loop(part: pd.DataFrame, folder: Path, codec: Codec, encode: Encode, out: Path) -> None:
    for row in part.itertuples():
        audio, rate_hz = soundfile.read(folder / row.path, dtype="float32")
        if rate_hz != codec.sample_rate_hz:
            audio = soxr.resample(audio, rate_hz, codec.sample_rate_hz)
        padded = np.pad(audio, (0, -len(audio) % codec.hop_samples))
        np.save(out / f"{row.utterance_id}.npy", encode(padded))


def our_loop(part: pd.DataFrame, folder: Path, codec: Codec, out: Path) -> Spool:
    spool = Spool(out / "spool", codec.dim)
    encode_recordings(part, folder, codec, spool)
    spool.close()
    return spool


def largest_difference(part: pd.DataFrame, folder: Path, codec: Codec, encode: Encode) -> float:
    with tempfile.TemporaryDirectory(dir=folder) as one, tempfile.TemporaryDirectory(dir=folder) as other:
        plain_loop(part, folder, codec, encode, Path(one))
        spool = our_loop(part, folder, codec, Path(other))
        return max(
            float(np.abs(np.load(Path(one) / f"{name}.npy") - latents).max())
            for name, latents, _ in spool.read(part["utterance_id"])
        )


def by_librosa(codec: LogMel) -> Encode:
    scale, floor = float(codec.spectrum.power_scale[1]), codec.spectrum.floor_power

    def encode(audio: np.ndarray) -> np.ndarray:
        bands = librosa.feature.melspectrogram(
            y=audio, sr=RATE_HZ, n_fft=codec.hop_samples, hop_length=codec.hop_samples, center=False, n_mels=codec.dim,
            norm=None,
        )  # fmt: skip
        latents: np.ndarray = 10 * np.log10(bands.T * scale + floor)
        return latents.astype(np.float32)

    return encode


def by_codec(codec: Codec) -> Encode:
    return lambda audio: codec.encode(audio[None])[0]


def by_hops(encoder: HopModel) -> Encode:
    return lambda audio: encoder.open()(audio.reshape(-1, RATE_HZ // 50))


if __name__ == "__main__":
    main()
