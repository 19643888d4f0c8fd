"""Models that are fitted to latents: a package for each kind, and one way to fit and to store them all."""
