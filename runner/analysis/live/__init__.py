"""The page of a sweep, served while it runs."""
