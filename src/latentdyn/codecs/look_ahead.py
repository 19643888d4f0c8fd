"""How far an encoder looks into the future, measured: other audio from some sample on, and the frames before it that
move.

A frame that knows audio after its own end knows something of the frames to come, so what is predicted from it at
staleness k = 1 is not all prediction. What a codec says of itself is held against what is measured.
"""

from typing import Any

import numpy as np

from latentdyn.codecs.base import Codec
from latentdyn.errors import UserError
from latentdyn.seeds import numpy_generator

_AMPLITUDE = 0.1
_MOVED = 1e-6  # of the latents' deviation over time: less than this is rounding
_MORE_FRAMES = 8  # of the clip, beyond what the codec says of itself


def measure_look_ahead(codec: Codec) -> dict[str, Any]:
    """Measure an encoder on a short clip of noise, a second or two for most.

    Returns:
        causal: whether no frame depends on audio after its end. look_ahead_frames: how many frames before a change of
        the audio move. look_ahead_ms: how far after its end a frame hears, to the sample. start_look_ahead_frames: the
        last frame whose audio moves the first frame of an utterance, where that is more; 0 otherwise.

    Raises:
        UserError: it looks further ahead than the codec says, or says that it looks ahead and does not; or its latents
            are not finite.
    """
    start, declared, hop = codec.start_look_ahead_frames, codec.look_ahead_frames, codec.hop_samples
    n = start + 2 * declared + _MORE_FRAMES
    noise = _AMPLITUDE * numpy_generator("look-ahead").standard_normal((2, n * hop))
    clip, other = noise.astype(np.float32)
    before = codec.encode(clip[None])[0]
    if not np.isfinite(before).all():
        raise UserError(
            "this codec gives latents that are not finite for a little noise, so its weights are damaged or "
            "not its own",
            f"codec {type(codec).__name__}",
            "give the released weights again",
        )
    floor = _MOVED * float(before.std(axis=0).mean())

    def first_moved(sample: int) -> int:
        """The first frame that moves when the audio from a sample on is another; n if none does."""
        after = codec.encode(np.concatenate([clip[:sample], other[sample:]])[None])[0]
        moved = np.flatnonzero(np.abs(after - before).max(axis=1) > floor)
        return int(moved[0]) if len(moved) else n

    frames = max(frame - first_moved(frame * hop) for frame in (start + declared + 1, n - 2, n - 1))
    at_start = start if start and first_moved(start * hop) < start - frames else 0
    if frames > declared or (declared > 0 and frames <= 0) or at_start != start:
        raise UserError(
            f"this codec says that a frame hears up to {declared} frames ahead (the first ones up to frame {start}), "
            f"and measured it is {frames} (frame {at_start})",
            f"codec {type(codec).__name__}",
            "use a checkpoint of the released architecture; for a codec of your own, correct look_ahead_frames and "
            "start_look_ahead_frames",
        )
    frames = max(0, frames)
    return {
        "causal": frames == 0,
        "look_ahead_frames": frames,
        "look_ahead_ms": _samples_ahead(first_moved, n - 1 - declared, hop, frames) / codec.sample_rate_hz * 1000,
        "start_look_ahead_frames": at_start,
    }


def _samples_ahead(first_moved: Any, frame: int, hop: int, frames: int) -> int:
    """Samples after a frame's end that it hears, by bisection over where the audio changes."""
    if not frames:
        return 0
    end = (frame + 1) * hop
    low, high = end, end + frames * hop  # a change at `low` moves the frame, one at `high` does not
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if first_moved(middle) <= frame else (low, middle)
    return low + 1 - end
