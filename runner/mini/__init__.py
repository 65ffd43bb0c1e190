"""The small family that ships with the runner: its weights, and what they know.

How it is trained and judged is in `training/`, beside this package.
"""
