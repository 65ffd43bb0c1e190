"""The ways that `gpu.py` measures, each a row of its table, and its command line."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gpu_setting import CELLS, LARGE, SEEDS, SMALL, Setting
from gpu_table import (
    Pictures,
    Row,
    compare,
    machine,
    plain,
    read_rows,
    share_inside,
    show,
    write_rows,
)
from one_image import HERE

from runner.system.machine import guess_device

KEEP = "workers.keep=3m"
NO_TIME = ("no time was left", "the time was up")
"""Problems that are no fault of a row."""


class Benchmark:
    """Runs the rows in a folder.

    Args:
        until: when the time is up, by `time.monotonic`.
    """

    def __init__(self, setting: Setting, folder: Path, until: float) -> None:
        self.setting, self.folder, self.until = setting, folder, until
        self.weights = folder / "weights"
        self.rows = read_rows(folder)
        self._keeps = False

    def script(self) -> Row:
        """One script for one cell, times the cells."""
        row, took = self._hand_written("script", [0], "eager")
        if row.seconds is not None:
            row.seconds *= len(self.setting.cells)
            row.notes.append(f"reckoned from one cell: {took:.1f} s")
        return row

    def loop(self) -> Row:
        """One careful script for all cells: the measure of all others."""
        return self._hand_written("loop", self.setting.cells, "eager")[0]

    def loop_compiled(self) -> Row:
        """The same, with torch.compile."""
        return self._hand_written("loop_compiled", self.setting.cells, "compiled")[0]

    def cold(self) -> Row:
        """`kandinsky -m`, which hashes the weights at first sight; its workers stay."""
        return self._runner("cold", KEEP, like="loop")

    def resident(self) -> Row:
        """The same again, drawn anew by the workers that stayed."""
        return self._runner("cold", KEEP, "cache=refresh", "resume=false", like="loop")

    def graphs_on(self) -> Row:
        """In new processes, with the weights' hashes known: what `graphs_off` is compared with."""
        return self._runner("graphs_on", "graphs=on", like="loop")

    def graphs_off(self) -> Row:
        """Without CUDA graphs, which `graphs=auto` uses."""
        return self._runner("graphs_off", "graphs=off", like="loop")

    def batched(self) -> Row:
        """As many images in a call as memory holds."""
        return self._runner("batched", "batch_size=auto", like="cold", exact=False)

    def compiled(self) -> Row:
        """With torch.compile, in the first process that does."""
        return self._runner("compiled", "compile=default", KEEP, like="cold", exact=False)

    def compiled_resident(self) -> Row:
        """The same again, drawn anew by the workers that stayed."""
        given = ("compile=default", KEEP, "cache=refresh", "resume=false")
        return self._runner("compiled", *given, like="compiled")

    def compiled_again(self) -> Row:
        """The same in new processes, which find what the first one compiled."""
        given = ("compile=default", "cache=refresh", "resume=false")
        return self._runner("compiled", *given, like="compiled")

    def joules(self) -> Row:
        """Energy, measured by repeats: not a time to compare."""
        row = self._runner(
            "joules", "bench=true", "warmup=1", "repeats=2", cells=1, like="cold", timed=False
        )
        row.inside = None  # of each stage a repeat's median is told, and not the time of all
        images = [image for manifest in self._manifests("joules") for image in manifest["images"]]
        told = [sum(image["joules"].values()) for image in images if image.get("joules")]
        said = f"{sum(told) / len(told):.0f} J an image" if told else "joules are not told here"
        row.notes.append(said)
        return row

    def run(self, name: str) -> Row:
        """Measure a row, if there is time. Only `resident` rows take over workers that stayed."""
        if not name.endswith("resident"):
            self.stop_workers()
        in_time = time.monotonic() < self.until
        row = ROWS[name](self) if in_time else Row(problem=NO_TIME[0])
        self.rows[name] = row
        write_rows(self.folder, self.rows)
        return row

    def prepare(self) -> float:
        """Write the weights, where they are not there yet; the seconds that it took."""
        if self.weights.exists():
            return 0.0
        command = [sys.executable, str(HERE / "gpu_weights.py"), str(self.weights)]
        command.append("small" if self.setting is SMALL else "large")
        seconds, problem = self._timed(command, None)
        if problem:
            raise SystemExit(f"no weights could be written: {problem}")
        return seconds

    def _hand_written(self, name: str, cells: Sequence[int], how: str) -> tuple[Row, float]:
        setting = "small" if self.setting is SMALL else "large"
        chosen = ",".join(map(str, cells))
        script = str(HERE / "gpu_loop.py")
        out = str(self.folder / name)
        seconds, problem = self._timed(
            [sys.executable, script, str(self.weights), out, chosen, setting, how], None
        )
        return Row(None if problem else seconds, problem=problem), seconds

    def _runner(
        self,
        name: str,
        *given: str,
        like: str,
        exact: bool = True,
        cells: int | None = None,
        timed: bool = True,
    ) -> Row:
        """Run the sweep, and compare its pictures with those of another row.

        Args:
            name: of its output folder.
            exact: whether they have to be the same; else it is told how far they are off.
            cells: the first of them; None: all.
        """
        command = [*self._command(cells), f"output_dir={self.folder / name}", *given]
        log = self.folder / f"{name}.jsonl"
        self._keeps = self._keeps or KEEP in given
        before = self.pictures(like) or self.pictures("loop")
        seconds, problem = self._timed(command, log)
        if problem:
            return Row(problem=problem)
        row = Row(seconds if timed else None, share_inside(log))
        if before:
            compare(row, self.pictures(name), before, exact)
        return row

    def _command(self, cells: int | None) -> list[str]:
        chosen = [CELLS[number] for number in self.setting.cells[:cells]]
        axes: dict[str, list[Any]] = {
            "scheduler": [cell[0] for cell in chosen],
            "decoder.guidance_scale": [cell[1] for cell in chosen],
            "prompt": [cell[2] for cell in chosen],
        }
        setting = self.setting
        return [
            sys.executable, "-m", "runner", "-m", "progress=json", f"weights={self.weights}",
            *(f"{key}={','.join(map(str, dict.fromkeys(values)))}" for key, values in axes.items()),
            f"seeds={list(SEEDS)}".replace(" ", ""), f"device={setting.device}",
            f"precision={setting.precision}", f"height={setting.size}", f"width={setting.size}",
            f"prior.num_inference_steps={setting.prior_steps}",
            f"decoder.num_inference_steps={setting.steps}",
        ]  # fmt: skip

    def _timed(self, command: list[str], log: Path | None) -> tuple[float, str]:
        """(wall seconds, what went wrong). Standard output goes into the log."""
        started = time.perf_counter()
        left = max(1.0, self.until - time.monotonic())
        try:
            done = subprocess.run(
                command,
                cwd=self.folder,
                capture_output=True,
                text=True,
                timeout=left,
                check=False,
                env=self._environment,
            )
        except subprocess.TimeoutExpired:
            return left, NO_TIME[1]
        seconds = time.perf_counter() - started
        if log is not None:
            log.write_text(done.stdout)
        if done.returncode == 0:
            return seconds, ""
        said = [line for line in done.stderr.splitlines() if line.startswith("error:")]
        return seconds, (said or done.stderr.strip().splitlines() or ["no message"])[-1][:160]

    @property
    def _environment(self) -> dict[str, str]:
        """A cache of its own: no workers are taken over or stopped but those of this benchmark."""
        own = {"KANDINSKY_CACHE": str(self.folder / "cache")}
        return {**os.environ, **own, **self.setting.environment}

    def stop_workers(self) -> None:
        """End the processes that a row has left."""
        if not self._keeps:
            return
        self._keeps = False
        command = [sys.executable, "-m", "runner", "workers", "stop"]
        subprocess.run(
            command, cwd=self.folder, capture_output=True, check=False, timeout=60,
            env=self._environment,
        )  # fmt: skip

    def pictures(self, name: str) -> Pictures:
        """(cell, seed) -> file, of the last sweep of a row, or of a hand-written script."""
        folder = self.folder / name
        if (folder / "latest").exists():
            files = sorted((folder / "latest").resolve().glob("*/*.png"))
            return {(int(f.parent.name[:4]), int(f.stem.rpartition("seed")[2])): f for f in files}
        return {(int(f.stem[:4]), int(f.stem[5:])): f for f in folder.glob("*.png")}

    def _manifests(self, name: str) -> list[dict[str, Any]]:
        found = (self.folder / name / "latest").resolve().glob("*/manifest.json")
        return [json.loads(file.read_text()) for file in found]


ROWS: Mapping[str, Callable[[Benchmark], Row]] = {
    row.__name__: row
    for row in (
        Benchmark.loop, Benchmark.cold, Benchmark.resident, Benchmark.graphs_on,
        Benchmark.graphs_off, Benchmark.batched, Benchmark.compiled, Benchmark.compiled_resident,
        Benchmark.compiled_again, Benchmark.script, Benchmark.joules, Benchmark.loop_compiled,
    )
}  # fmt: skip
"""By name, the most important first."""

AFTER = {"resident": "cold", "compiled_resident": "compiled", "compiled_again": "compiled"}
"""Rows that need another one before them."""


def main(explained: str) -> None:
    """Measure and print.

    Args:
        explained: what `--help` says.
    """
    parser = argparse.ArgumentParser(
        description=explained, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", default=list(ROWS), choices=list(ROWS))
    parser.add_argument("--seconds", type=float, default=460, help="no row is begun after these")
    parser.add_argument("--json", type=Path, help="also into this file")
    parser.add_argument("--folder", type=Path, help="keep weights, pictures and rows there")
    parser.add_argument("--small", action="store_true", help="tiny models on the CPU")
    asked = parser.parse_args()
    if not asked.small and guess_device() != "cuda":
        print(f"no CUDA device here, so not measured: {', '.join(asked.only)}")
        print("--small runs the same on the CPU with tiny models")
        return
    setting = SMALL if asked.small else LARGE
    until = time.monotonic() + asked.seconds
    with tempfile.TemporaryDirectory() as name:
        folder = asked.folder or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        bench = Benchmark(setting, folder.absolute(), until)
        about = machine(setting)
        print(", ".join(f"{key} {value}" for key, value in about.items()))
        print(f"weights written in {bench.prepare():.0f} s")
        print("| way | seconds | / loop | inside stages | |\n|---|---|---|---|---|")
        wanted = {*asked.only, *(AFTER[row] for row in asked.only if row in AFTER)}
        try:
            for way in [row for row in ROWS if row in wanted]:
                print(show(way, bench.run(way), bench.rows), flush=True)
                if asked.json is not None:
                    rows = plain(bench.rows)
                    asked.json.write_text(json.dumps({"machine": about, "rows": rows}, indent=1))
        finally:
            bench.stop_workers()
    made = [bench.rows[row] for row in wanted]
    wrong = any("WRONG" in note for row in made for note in row.notes)
    sys.exit(1 if wrong or any(row.problem not in ("", *NO_TIME) for row in made) else 0)
