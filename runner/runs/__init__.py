"""The use cases: run one cell, run a sweep, reproduce a recorded run."""
