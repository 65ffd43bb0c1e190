"""Imports of large libraries, with and without parts of them: each case in its own process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

LOAD = """
import sys
from runner.workers.setup import import_libraries, import_pipelines
import_libraries()
import_pipelines(["KandinskyV22PriorPipeline", "KandinskyV22Pipeline"])
"""


def printed(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.slow
def test_pictures_are_made_without_parts_of_scipy_and_the_compiler(tmp_path: Path) -> None:
    """With each scheduler; one process for all, as the imports take seconds."""
    given = [
        f"output_dir={tmp_path}", "tracking=none", "progress=quiet", "device=cpu",
        "prior.num_inference_steps=2", "decoder.num_inference_steps=2", "graphs=on",
    ]  # fmt: skip
    code = f"""
import sys
from runner.cli import main
for scheduler in ("ddpm", "dpmpp_2m", "lcm"):
    assert main([f"scheduler={{scheduler}}", *{given}]) == 0
    parts = ("scipy.stats", "scipy.optimize")
    print(scheduler, [name for name in sys.modules if name.startswith(parts)])
print("compiler", [name for name in sys.modules if name == "torch._dynamo"])
"""
    found = [line for line in printed(code).splitlines() if line.endswith("]")]
    assert found == ["ddpm []", "dpmpp_2m []", "lcm []", "compiler []"]


def test_what_was_imported_without_them_uses_them_all_the_same() -> None:
    code = """
import diffusers, numpy
from transformers.loss.loss_for_object_detection import linear_sum_assignment
print(linear_sum_assignment(numpy.eye(3))[1].tolist())
linear = diffusers.LMSDiscreteScheduler()
linear.set_timesteps(5)
print(linear.get_lms_coefficient(1, 1, 0) != 0)
beta = diffusers.DPMSolverMultistepScheduler(use_beta_sigmas=True)
beta.set_timesteps(5)
print(len(beta.sigmas))
"""
    assert printed(LOAD + code).splitlines() == ["[2, 0, 1]", "True", "6"]


def test_what_was_decorated_without_the_compiler_is_so_once_something_is_compiled() -> None:
    code = """
from diffusers.hooks.group_offloading import ModuleGroup
from diffusers.models.attention import BasicTransformerBlock
from runner.system.compiler import settle_decorators
print("torch._dynamo" in sys.modules, hasattr(ModuleGroup.onload_, "_torchdynamo_disable"))
settle_decorators()
from torch._dynamo.trace_rules import is_callable_allowed
print(is_callable_allowed(BasicTransformerBlock), ModuleGroup.onload_._torchdynamo_disable)
"""
    assert printed(LOAD + code).splitlines() == ["False False", "True True"]


def test_torchs_own_function_that_was_called_without_the_compiler_is_left_alone_by_it() -> None:
    code = """
import sys, torch
from runner.system.compiler import settle_decorators
from runner.system.imports import sparing
def twice(number):
    return 2 * number
with sparing():
    print(torch._disable_dynamo(twice)(3))
print("torch._dynamo" in sys.modules)
settle_decorators()
print(torch._disable_dynamo(twice)(3), getattr(twice, "__dynamo_disable")._torchdynamo_disable)
"""
    assert printed(code).splitlines() == ["6", "False", "6 True"]


def test_a_process_of_our_own_imports_nothing_for_several_devices() -> None:
    code = """
print([name for name in sys.modules if name in ("torch.distributed.tensor", "sympy")])
import torch
print(torch.distributed.is_available())
"""
    own = LOAD.replace("import_libraries()", "import_libraries(own=True)")
    assert printed(own + code).splitlines() == ["[]", "True"]


def test_others_get_the_parts_themselves() -> None:
    code = """
import scipy.stats, scipy.optimize
from scipy import integrate
print(scipy.stats.norm.cdf(0), scipy.optimize.linear_sum_assignment.__module__[:5])
print(integrate.__file__ == scipy.integrate.__file__)
"""
    assert printed(LOAD + code).splitlines() == ["0.5 scipy", "True"]


def test_parts_of_the_parts_are_found_meanwhile() -> None:
    code = """
from runner.system.imports import sparing
with sparing():
    from scipy.optimize._numdiff import approx_derivative
    import scipy.stats
    print(round(approx_derivative(lambda x: x ** 2, 3.0).item(), 3))
    print(scipy.stats.norm.cdf(0))
"""
    assert printed(code).splitlines() == ["6.0", "0.5"]


def test_who_needs_more_than_a_stand_in_has_gets_all() -> None:
    code = """
from runner.system.imports import import_sparingly
def load():
    import scipy.stats.distributions
    print(scipy.stats.distributions.norm.cdf(0))
import_sparingly(load)
"""
    assert printed(code) == "0.5"


def test_packages_that_are_left_out_are_there_for_who_needs_them() -> None:
    code = """
import sys
from runner.system.imports import import_without
def optional():
    try:
        import json.tool
    except ImportError:
        print("as if it were not installed")
def needed():
    import numpy
import_without(("json",), optional)
import_without(("numpy",), needed)
print("numpy" in sys.modules, sys.modules.get("json", "none"))
"""
    assert printed(code).splitlines() == ["as if it were not installed", "True none"]
