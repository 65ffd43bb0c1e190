"""Runs a graph: store, batches, observers, the stage runner."""
