"""Encode one part of a corpus into a latents store; a killed job continues after its last finished utterance."""

import argparse
import logging
import time
from pathlib import Path

import numpy as np

from latentdyn.codecs.base import codec_class, open_codec
from latentdyn.codecs.encoding import encode_recordings
from latentdyn.codecs.look_ahead import measure_look_ahead
from latentdyn.corpus.partition import PART_COLUMNS
from latentdyn.devices import PRECISIONS, describe_device, gpu_required, pick_device, take_card
from latentdyn.files import check_folders
from latentdyn.parquet import parquet_facts, read_parquet, table_sha256
from latentdyn.provenance import write_run_record
from latentdyn.steps.cli import run_step
from latentdyn.steps.settings import section
from latentdyn.stores.latents_writer import LatentsWriter
from latentdyn.stores.lineage import root_facts
from latentdyn.stores.spool import Spool
from latentdyn.stores.state import open_state, remove_state

log = logging.getLogger(__name__)

_ON_GPU_BATCH_S = 960.0  # audio that is encoded at once: 64 utterances of LibriSpeech


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--part", type=Path, required=True, help="parquet of this part's utterances")
    parser.add_argument("--audio", type=Path, required=True, help="folder that the paths in the part are relative to")
    parser.add_argument(
        "--representation",
        type=section("representations:Encoder"),
        required=True,
        help="its section of the config, as JSON",
    )
    parser.add_argument("--code", required=True, help="digest of the code that encodes")
    parser.add_argument("--state", type=Path, required=True, help="folder for unfinished work")
    parser.add_argument(
        "--handle", type=Path, required=True, help="JSON to write last; the store is the .zarr beside it"
    )
    parser.add_argument("--float32-matmul", default="highest", choices=PRECISIONS, help="arithmetic on a GPU")


def step(arguments: argparse.Namespace) -> None:
    started = time.time()
    settings = arguments.representation
    part = read_parquet(arguments.part, PART_COLUMNS, made_by="partition_manifest")
    check_folders(arguments.part.parent, parquet_facts(arguments.part, made_by="partition_manifest"))
    needs_gpu = codec_class(settings["kind"]).needs_gpu
    take_card(wanted=needs_gpu)
    device = pick_device(require_gpu=needs_gpu and gpu_required(), float32_matmul=arguments.float32_matmul)
    codec = open_codec(settings, device=str(device))
    heard = measure_look_ahead(codec)
    if not heard["causal"]:
        log.warning("a frame hears %.1f ms of audio after its end: k = 1 knows that much", heard["look_ahead_ms"])
    key = {
        "representation": settings,
        "part": table_sha256(part),
        "code": arguments.code,
        "float32_matmul": arguments.float32_matmul,
    }
    spool = Spool(open_state(arguments.state, key), codec.dim)
    log.info("%d utterances, %d of them finished before, on %s", len(part), len(spool.done), device)
    batch_s = _ON_GPU_BATCH_S if needs_gpu and device.type == "cuda" else 0.0
    encode_recordings(part, arguments.audio, codec, spool, batch_s)
    facts = {**heard, "weights_sha256": codec.weights_sha256, **root_facts(settings)}
    quantizer = codec.quantizer()
    writer = LatentsWriter(
        arguments.handle,
        codec.dim,
        codec.frame_rate_hz,
        settings["dtype"],
        fitted=quantizer.arrays() if quantizer else None,
        **facts,
    )
    speaker_of = dict(zip(part["utterance_id"], part["speaker_id"], strict=True))
    for utterance_id, latents, energy_db in spool.read(part["utterance_id"]):
        if bad := int((~np.isfinite(latents).all(axis=1)).sum()):
            log.warning("%s is set aside: %d of its %d frames are not finite", utterance_id, bad, len(latents))
            writer.set_aside(utterance_id, len(latents), bad)
        else:
            writer.append(utterance_id, speaker_of[utterance_id], latents, energy_db)
    handle = writer.close()
    spool.close()
    remove_state(arguments.state)
    write_run_record(
        arguments.handle.with_suffix(".run.json"),
        started=started,
        device=describe_device(device),
        digest=handle["digest"],
        audio_s=float((part["n_samples"] / part["sample_rate_hz"]).sum()),
    )


if __name__ == "__main__":
    run_step(__doc__, add_arguments, step)
