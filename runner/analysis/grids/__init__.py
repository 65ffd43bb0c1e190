"""Labelled contact sheets of runs and sweeps: which pictures (shots), where (layout), drawn."""
