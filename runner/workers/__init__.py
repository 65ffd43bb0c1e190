"""Workers: processes that run stages for the engine, on this machine or others.

choose: how many, and of which kind. setup: what a worker needs. pool, jobs (both over connected)
and ray_actors: the kinds. process: the worker's side. host: the process that workers are forked
from. messages: what runner and workers send each other.
"""
