"""The Python API: the command line's keys, returning pictures with their records.

from runner import generate, plan, sweep, table

run = generate("scheduler=ddpm", prompt="a red circle", seeds=[1, 2], decoder={"guidance_scale": 3})
run.images[0].image                      # a PIL image
run.images[0].record["sha256"]           # its manifest entry; also run.images[0].saved.sha256
run.manifest["config"]["scheduler"]      # the manifest as plain values; run.recorded has it typed
plan(model="kandinsky3", weights="/models")          # checks and graph; loads nothing
plan("scheduler=ddim,ddpm")                          # of a sweep: cells, stages, time
made = sweep("scheduler=ddim,ddpm", "decoder.guidance_scale=1,4", prompt="a red circle")
made[0].images                           # a sweep is a sequence of its runs
made.table()                             # a pandas DataFrame, a row a picture
made.compare(by="scheduler")             # in a notebook: its tables
table("outputs/one/...", "outputs/two/...")          # of several sweeps
"""

from __future__ import annotations

from runner.api.calls import generate, plan, sweep
from runner.api.compared import Compared
from runner.api.made import GeneratedImage, Run, Sweep, table
from runner.api.planned import PlannedSweep

__all__ = [
    "Compared", "GeneratedImage", "PlannedSweep", "Run", "Sweep", "generate", "plan", "sweep",
    "table",
]  # fmt: skip
