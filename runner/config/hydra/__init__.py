"""All code that uses Hydra: its command line, composition, plugins and error messages."""
