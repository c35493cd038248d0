"""A training run: loss, loop, checkpoints, validation, run folder."""
