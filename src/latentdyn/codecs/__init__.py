"""Encoders from audio to continuous latents and back, one module a kind, each naming its class `CODEC`."""
