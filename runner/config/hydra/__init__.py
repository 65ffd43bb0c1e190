"""All that knows Hydra: its command line, its composition, its plugins, its error messages."""
