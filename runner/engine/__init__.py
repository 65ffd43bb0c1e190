"""Runs a graph: result store, batches, observers, the worker protocol."""
