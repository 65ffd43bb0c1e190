"""A sweep of 2.2 on a GPU, in every way that the runner has, against hand-written scripts.

    python benchmarks/gpu.py [--only ROW ...] [--seconds 460] [--json FILE] [--folder FOLDER]
    python benchmarks/gpu.py --small          # tiny models on the CPU: does it run at all?

8 cells (2 schedulers x 2 guidance scales x 2 prompts), 2 seeds each, 768 px, fp16. Weights are
random, of the release's size; they are written into a folder once, and read by all as files. Each
row is a process of its own, begun after the one before it has ended. A row that fails says why; one
that no time is left for is not begun. Where there is no GPU it says what it cannot measure. Made
for 8 minutes on an H100; `--only` measures the rest in a second call, which goes on with weights
and pictures of the first where both have the same `--folder`.
"""

from gpu_ways import main

if __name__ == "__main__":
    main(__doc__)
