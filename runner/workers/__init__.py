"""Workers: processes that run stages for the engine, on this machine or others.

choose: how many, and of which kind. setup: what a worker needs. pool, jobs (both over connected)
and ray_actors: the kinds. process and loop: the worker's side. host: the process that workers are
forked from. messages: what runner and workers send each other. handed_on, next_profile: from one
execution profile of a command to the next.

residence: where workers that stay are found. resident, surroundings, torch_state: their side.
takeover, and takeover_key: the side of the next command. hint: tells that there are such.
"""
