"""How well the tasks beyond text2img are done: `python -m training.evaluate_tasks`.

Pictures come from the exported folders through diffusers' own pipelines (those of 2.0 are the
runner's); the judge reads pixels.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch

from runner.weights.find import MINI_DIR
from training.evaluate import wilson
from training.judging.family import Family
from training.judging.tasks import SHARES, TASKS, interpolate

NAMES = [*(task.draw.__name__ for task in TASKS), "interpolate"]
HEAD, RULE = "| task | n | right | share | 95% interval |", "|---|---|---|---|---|"


def main(arguments: list[str] | None = None) -> None:
    """Draw, judge, print the table."""
    made = argparse.ArgumentParser(
        prog="python -m training.evaluate_tasks",
        description="Judge the small family's tasks that start from pictures.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    made.add_argument("--pictures", type=int, default=200, help="of each row")
    made.add_argument("--tasks", nargs="*", default=NAMES, choices=NAMES)
    made.add_argument("--weights", type=Path, default=MINI_DIR)
    made.add_argument("--threads", type=int, default=1, help="CPU threads of torch")
    options = made.parse_args(arguments)
    torch.set_num_threads(options.threads)
    family = Family(options.weights)
    print(HEAD, RULE, sep="\n", flush=True)
    for task in TASKS:
        if task.draw.__name__ in options.tasks and family.has(task.folder):
            results = [task.draw(family, place) for place in range(options.pictures)]
            print(*lines(task.name, results), sep="\n", flush=True)
    if "interpolate" in options.tasks:
        shown = ", ".join(f"{share:.2f}" for share in interpolate(family, options.pictures // 5))
        print(f"interpolate: second colour at shares {SHARES}: {shown}", flush=True)


def lines(name: str, results: Sequence[dict[str, bool]]) -> list[str]:
    """Lines of the Markdown table, one for each thing that may be right."""
    count = len(results)
    made = []
    for what in results[0]:
        right = sum(result[what] for result in results)
        low, high = wilson(right, count)
        made.append(
            f"| {name} | {count} | {what} | {right / count:.2f} | {low:.2f} to {high:.2f} |"
        )
    return made


if __name__ == "__main__":
    main()
