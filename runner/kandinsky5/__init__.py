"""Kandinsky 5 image: diffusers' pipelines, with what they do silently wrong put right."""
