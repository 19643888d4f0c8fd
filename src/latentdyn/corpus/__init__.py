"""From a folder of recordings (or latents) to a manifest, speaker splits and parts of work."""
