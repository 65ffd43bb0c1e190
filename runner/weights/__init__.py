"""Which files a run's models are, known and checked before a weight is read."""
