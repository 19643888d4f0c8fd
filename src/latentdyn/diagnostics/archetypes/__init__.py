"""Do the directions of steps come back in a few kinds, and are these kinds the same in every voice (seed 004)?"""
