"""kandinsky-runner: Kandinsky image models, run from config files."""

__version__ = "0.1.0"
