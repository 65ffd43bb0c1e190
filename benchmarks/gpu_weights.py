"""Writes random weights of 2.2 into a folder, as the published ones lie on a disk.

python benchmarks/gpu_weights.py <folder> large|small
"""

from __future__ import annotations

import sys
from pathlib import Path

from gpu_setting import SETTINGS
from hydra import compose, initialize_config_dir

from runner.config.hydra import tree
from runner.config.resolve import resolve
from runner.pipelines.random_weights import build
from runner.planning.planner import make_plan


def main() -> None:
    """Write them."""
    folder, setting = Path(sys.argv[1]), SETTINGS[sys.argv[2]]
    given = [
        "model=kandinsky2_2", "weights=random", f"weights.size={setting.weights}", "tracking=none",
        f"device={setting.device}", f"precision={setting.precision}",
        f"height={setting.size}", f"width={setting.size}",
    ]  # fmt: skip
    tree.register()
    with initialize_config_dir(str(tree.config_dir()), version_base="1.3"):
        config = compose(tree.CONFIG_NAME, overrides=given)
    plan = make_plan(resolve(config, overrides=given))
    specs = {node.pipeline.pipeline: node.pipeline for node in plan.graph if node.pipeline}
    for found in plan.weights.checkpoints.values():
        assert found.checked is not None
        assert found.random is not None
        pipeline = build(
            specs[found.checkpoint.pipeline], found.checkpoint, found.checked, found.random,
            held="cpu", drawn=setting.device,
        )  # fmt: skip
        pipeline.save_pretrained(folder / found.repo.rpartition("/")[2])


if __name__ == "__main__":
    main()
