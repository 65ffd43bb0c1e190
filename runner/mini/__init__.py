"""The small model family that ships with the runner: weights and vocabulary.

Its training and evaluation are in `training/`, beside this package.
"""
