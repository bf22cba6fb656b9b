"""Data sets: one file each. `load` gives the training, validation and test parts of a run, in memory or streamed."""
