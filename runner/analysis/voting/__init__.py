"""The page on which people vote, and its server on this machine."""
