"""The use cases: one cell, a sweep, a recorded run once more."""
