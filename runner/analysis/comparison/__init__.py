"""Cells of a sweep against a baseline: paired differences, and what they cost."""
