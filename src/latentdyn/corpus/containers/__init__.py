"""Where the sound lies in a file of audio, by the file's own bytes: one module for each family of containers."""
