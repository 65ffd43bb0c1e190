"""Compares settings within strata: does the difference hold in each of them?"""
