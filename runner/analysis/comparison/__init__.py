"""Compares a sweep's cells with a baseline: paired differences and their cost in seconds."""
