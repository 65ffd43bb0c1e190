"""Votes of people on pairs of pictures: kept, counted, and turned into strengths."""
