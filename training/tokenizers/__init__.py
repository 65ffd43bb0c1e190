"""Tokenizers built by hand from the words of the captions."""
