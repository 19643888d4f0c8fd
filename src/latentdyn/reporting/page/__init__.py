"""One page for a corpus: what holds, every table with its figure, what can be heard, and where all of it is from."""
