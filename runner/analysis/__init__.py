"""Kept results, looked at: comparison, report, grids, export."""
