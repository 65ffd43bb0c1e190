"""Kandinsky 2.0: its pipelines, and the conversion of its published files."""
