"""latentdyn: measures and improves how predictable the continuous latents of neural audio codecs are."""

__version__ = "0.1.0"
