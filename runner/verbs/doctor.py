"""`kandinsky doctor`: versions, devices, memory, and which backends and modes work here."""

from __future__ import annotations

import platform
import shutil
from pathlib import Path

from runner import __version__
from runner.catalog.attention import ATTENTION
from runner.catalog.graphs import graph_kind
from runner.catalog.offload import OFFLOAD
from runner.catalog.quantization import METHODS, PACKAGES
from runner.planning.checks import attention_problem, compile_problem, offload_problem
from runner.planning.graphs import graphs_problem
from runner.planning.quantization import quantize_problem
from runner.recording.provenance import git_commit
from runner.system.machine import LOGGED_LIBRARIES, cpu_cores, versions
from runner.system.text import format_bytes
from runner.verbs.parser import VerbParser
from runner.weights.loras import PEFT
from runner.workers.residence_folder import opened_residence

LACKING = "is not installed (pip install 'kandinsky-runner[lora]')"
NEEDED = ("torch", "diffusers", "transformers", "accelerate", "hydra-core", "omegaconf", "mlflow")


def main(arguments: list[str]) -> int:
    """Print what was found. Exit status 1 where a needed package is missing."""
    VerbParser(prog="kandinsky doctor", description=__doc__).parse_args(arguments)
    listed = (*LOGGED_LIBRARIES, *PACKAGES, PEFT)
    found = versions(listed)
    missing = [name for name in NEEDED if name not in found]
    print(f"kandinsky-runner {__version__}  commit {git_commit() or 'not from a checkout'}")
    print(f"Python {platform.python_version()} on {platform.platform()}")
    print("packages")
    for name in listed:
        print(f"  {name:<13} {found.get(name, 'not installed')}")
    device = _print_devices("torch" in found)
    print(f"attention on {device}")
    for backend in ATTENTION.values():
        print(f"  {backend.name:<13} {_answer(attention_problem(backend, device))}")
    print(f"offload on {device}")
    for mode in OFFLOAD.values():
        print(f"  {mode.name:<13} {_answer(offload_problem(mode, device))}")
    print(f"quantize on {device}")
    for method in METHODS.values():
        print(f"  {method.name:<13} {_answer(quantize_problem(method, device))}")
    print(f"compile on {device}")
    print(f"  torch.compile {_answer(compile_problem(device))}")
    print(f"graphs on {device}")
    kind = graph_kind(device)
    print(f"  {kind.several if kind else 'graphs':<13} {_answer(graphs_problem(device))}")
    lora = f"yes: {PEFT} {found[PEFT]}" if PEFT in found else _answer(f"{PEFT} {LACKING}")
    print(f"LoRAs           {lora}")
    free = shutil.disk_usage(Path.cwd()).free
    print(f"disk free here  {format_bytes(free)}")
    print(f"workers that stay  {_residents()}")
    if missing:
        print(f"missing: {', '.join(missing)}; install with: pip install -e . -c constraints.txt")
    return 1 if missing else 0


def _print_devices(torch_installed: bool) -> str:
    """Prints CPU and accelerators; returns which of cuda, mps and cpu `device=auto` takes."""
    print("devices")
    print(f"  cpu           {cpu_cores()} cores, {_memory()}")
    if not torch_installed:
        return "cpu"
    import torch

    for index in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(index)
        name = torch.cuda.get_device_name(index)
        print(f"  cuda:{index}        {name}, {format_bytes(free)} of {format_bytes(total)} free")
    if torch.backends.mps.is_available():
        print("  mps           Apple GPU")
    if torch.cuda.device_count():
        return "cuda"
    if torch.backends.mps.is_available():
        return "mps"
    print(f"  no accelerator: torch {torch.__version__} finds none")
    return "cpu"


def _residents() -> str:
    """The workers that stay after a command, in a line; `kandinsky workers` tells more."""
    with opened_residence() as residence:
        found = [] if residence is None else residence.residents()
    held = (f", {format_bytes(one.bytes)}" if one.bytes is not None else "" for one in found)
    told = [f"{one.pid} ({one.device}{of})" for one, of in zip(found, held, strict=True)]
    return f"{len(found)}: {', '.join(told)}" if found else "none"


def _memory() -> str:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return "memory unknown"
    sizes = {line.split(":")[0]: int(line.split()[1]) << 10 for line in lines}
    free, total = (format_bytes(sizes[name]) for name in ("MemAvailable", "MemTotal"))
    return f"{free} of {total} memory free"


def _answer(problem: str | None) -> str:
    return "yes" if problem is None else f"no: {problem}"
