"""What must be the same for a worker to go on with another command."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import resource
import sys
from collections.abc import Mapping
from pathlib import Path

import runner
from runner.planning.profile import ExecutionProfile
from runner.system.kept_code import CODE_FOLDER
from runner.system.machine import EXTRAS, LOGGED_LIBRARIES, cpu_affinity, versions

READ_AT_IMPORT = (
    "ACCELERATE", "ATEN", "BLIS", "CUBLAS", "CUDA", "CUDNN", "DIFFUSERS", "DNNL", "GLIBC", "GOMP",
    "HF_", "HIP", "HSA", "HUGGING", "INDUCTOR", "KANDINSKY", "KMP", "LD_", "MALLOC", "MKL", "NCCL",
    "NUMEXPR", "NVIDIA", "OMP", "ONEDNN", "OPENBLAS", "PYTHON", "PYTORCH", "ROC", "SAFETENSORS",
    "TOKENIZERS", "TORCH", "TRANSFORMERS", "TRITON", "XFORMERS",
)  # fmt: skip
"""Beginnings of variables that Python and the libraries read once. All others are handed over with
each command."""

SET_BY_TORCH = (CODE_FOLDER,)
"""Variables that importing it sets, as in a notebook; it reads them when it compiles."""

LIMITS = ("RLIMIT_AS", "RLIMIT_CPU", "RLIMIT_DATA", "RLIMIT_NOFILE", "RLIMIT_NPROC")


def code_key() -> str:
    """A hash of what a worker imports: Python, the libraries' versions, and the runner's files by
    path, size and time. A worker with another one is outdated.
    """
    package = Path(runner.__file__).parent
    known = versions([*LOGGED_LIBRARIES, *itertools.chain(*EXTRAS.values())])
    return _hash([sys.version, sys.executable, known, *_files(package)])


def setting_key(profile: ExecutionProfile) -> str:
    """A hash of what a worker cannot change any more: its threads, cores, limits, and variables of
    the environment. A worker with another one is for other commands.
    """
    limits = [resource.getrlimit(getattr(resource, name)) for name in LIMITS]
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    return _hash([profile.threads, cpu_affinity(), limits, nice, _variables(os.environ)])


def _variables(environment: Mapping[str, str]) -> list[tuple[str, str]]:
    read = (pair for pair in environment.items() if pair[0].startswith(READ_AT_IMPORT))
    return sorted(pair for pair in read if pair[0] not in SET_BY_TORCH)


def _files(folder: Path) -> list[tuple[str, int, int]]:
    """Path, size and time of each Python file below a folder."""
    found = []
    waiting = [str(folder)]
    while waiting:
        with contextlib.suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                elif entry.name.endswith(".py"):
                    stat = entry.stat()
                    found.append((entry.path, stat.st_size, stat.st_mtime_ns))
    return sorted(found)


def _hash(content: object) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:32]
