"""The catalog of choices: versions, tasks, schedulers, attention backends, offload modes."""
