"""Finds a run's checkpoints and checks them before weights are read."""
