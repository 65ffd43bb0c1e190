"""Who runs stages: what is asked of them and this process itself (here), or other processes: how
many and where (count), who asks them (connected: pool, jobs; and ray_actors), what they are forked
from (host), what is said (messages), who works (process).
"""
