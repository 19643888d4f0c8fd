"""The beta-VAE of a representation's frames: its network, what it is trained for, and its health."""
