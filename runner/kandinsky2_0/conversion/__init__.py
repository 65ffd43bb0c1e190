"""Makes folders in diffusers' layout of the published files of Kandinsky 2.0."""
