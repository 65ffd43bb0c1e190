"""Reads the results of past runs: comparison, report, grids, export."""
