"""The HTML report of a sweep: a folder that any browser opens without a network."""
