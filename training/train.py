"""Trains the small family: `python -m training.train all`, or one part at a time.

movq, clip and depth stand alone. polish and kl need movq; prior, multilingual and t5 need clip;
unet needs both. inpaint, controlnet and unet_2_1 go on from unet, inpaint_2_1 from unet_2_1;
kandinsky3 needs movq and t5; kandinsky2_0 needs kl, multilingual and t5, and goes on from unet_2_1,
inpaint_2_0 from it. Parts that do not need each other can run side by side.
A part that was stopped resumes from its last checkpoint.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from runner.weights.find import MINI_DIR
from training import export
from training.logged import log_run
from training.loop import Budget, Run
from training.parts import (
    clip,
    depth,
    fine_tunes,
    kandinsky2_0,
    kandinsky3,
    kl,
    lora,
    movq,
    polish,
    prior,
    texts,
    unet,
)
from training.start import start_from

WORK = Path("outputs/mini-training")

Trainer = Callable[[Path, int, torch.device, Budget], Run]

PARTS: dict[str, tuple[Budget, Trainer]] = {
    movq.NAME: (movq.BUDGET, movq.run_training),
    kl.NAME: (kl.BUDGET, kl.run_training),
    polish.NAME: (polish.BUDGET, polish.run_training),
    clip.NAME: (clip.BUDGET, clip.run_training),
    prior.NAME: (prior.BUDGET, prior.run_training),
    unet.NAME: (unet.BUDGET, unet.run_training),
    texts.MULTILINGUAL: (texts.BUDGET, texts.train_multilingual),
    texts.T5: (texts.BUDGET, texts.train_t5),
    **{
        name: (kind.budget, partial(fine_tunes.run_training, name))
        for name, kind in fine_tunes.KINDS.items()
    },
    **{
        name: (budget, partial(kandinsky2_0.run_training, name))
        for name, budget in kandinsky2_0.BUDGETS.items()
    },
    kandinsky3.NAME: (kandinsky3.BUDGET, kandinsky3.run_training),
    depth.NAME: (depth.BUDGET, depth.run_training),
    lora.NAME: (lora.BUDGET, lora.run_training),
}


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line, then train, export, or both."""
    options = parser().parse_args(arguments)
    torch.set_num_threads(options.threads)
    if options.start_from is not None:
        start_from(options.start_from, options.work_dir)
    for name in PARTS if options.part == "all" else [options.part]:
        if name in PARTS:
            budget, trainer = PARTS[name]
            if options.steps is not None:
                budget = replace(budget, steps=options.steps)
            if options.batch is not None:
                budget = replace(budget, batch=options.batch)
            run = trainer(options.work_dir, options.seed, torch.device(options.device), budget)
            if options.tracking != "none":
                log_run(run, budget, options.seed, options.work_dir / name, options.tracking)
    if options.part in ("all", "export"):
        export.run_export(
            options.work_dir,
            options.weights,
            allow_untrained=options.allow_untrained,
            only=options.folders,
        )


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        prog="python -m training.train",
        description="Train the small Kandinsky family on synthetic scenes.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    made.add_argument("part", choices=["all", *PARTS, "export"])
    made.add_argument("--work-dir", type=Path, default=WORK, help="checkpoints, caches, curves")
    made.add_argument("--weights", type=Path, default=MINI_DIR, help="where export writes")
    made.add_argument(
        "--folders",
        nargs="+",
        default=[],
        choices=[folder.name for folder in export.FOLDERS],
        help="that export writes, and nothing else; all if absent",
    )
    made.add_argument("--steps", type=int, help="of each part trained; each part's own if absent")
    made.add_argument(
        "--batch", type=int, help="pictures a step, of the UNets that go on from others"
    )
    made.add_argument("--start-from", type=Path, help="an exported family to go on from")
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--threads", type=int, default=1, help="CPU threads of torch")
    made.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    made.add_argument(
        "--tracking",
        help="address of MLflow that each trained part is logged to; absent: the sqlite file in "
        "outputs/, which `kandinsky ui` shows; none: not logged",
    )
    made.add_argument(
        "--allow-untrained", action="store_true", help="export parts without a checkpoint too"
    )
    return made


if __name__ == "__main__":
    main()
