"""Encoders from audio to continuous latents, one module per codec; `base` has what they share."""
