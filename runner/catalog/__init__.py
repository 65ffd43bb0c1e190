"""What there is: versions, tasks, schedulers, attention backends, offload modes; a row each."""
