"""Score models: the score of single latents with noise in them."""
