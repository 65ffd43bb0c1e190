"""Stages in other processes: how many (count), who asks (pool), who works (process)."""
