"""Kandinsky 2.0: pipelines in diffusers' style, and conversion of the published files."""
