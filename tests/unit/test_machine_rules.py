"""Settings that do not work on this machine are refused by the plan."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from runner.catalog.offload import OFFLOAD, Offload
from runner.errors import ConfigError
from runner.planning import checks
from runner.planning.plan import Plan
from runner.planning.planner import make_plan
from runner.runs.plan_text import plan_text
from runner.system import machine
from unit.conftest import Compose

Planner = Callable[..., Plan]


@pytest.fixture
def plan(composed: Compose) -> Planner:
    """Compose and plan."""
    return lambda *overrides: make_plan(composed(*overrides))


@pytest.fixture
def _cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "guess_device", lambda: "cuda")


@pytest.fixture
def compilers(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[str]]:
    """The programs that are on the path: none, until the test adds one."""
    there: set[str] = set()
    monkeypatch.setattr("shutil.which", lambda name: name if name in there else None)
    return there  # type: ignore[return-value]


def refused(plan: Planner, *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        plan(*overrides)
    assert caught.value.exit_status == 2
    return str(caught.value)


@pytest.mark.parametrize("installed", [True, False])
@pytest.mark.parametrize("device", ["cpu", "mps", "cuda", "cuda:1"])
def test_xformers_must_be_installed_and_needs_cuda(
    plan: Planner, monkeypatch: pytest.MonkeyPatch, installed: bool, device: str
) -> None:
    monkeypatch.setattr(checks, "is_installed", lambda module: installed)
    monkeypatch.setattr(machine, "guess_device", lambda: device.partition(":")[0])
    overrides = ("attention=xformers", f"device={device}")
    if installed and device.startswith("cuda"):
        assert len(plan(*overrides).graph) == 2
        return
    problem = f"does not run on {device}" if installed else "the package xformers is not installed"
    message = f"attention=xformers: {problem}\n  allowed: sdpa, plain, sliced"
    assert refused(plan, *overrides).startswith(message)


@pytest.mark.parametrize("mode", OFFLOAD.values(), ids=lambda mode: mode.name)
def test_offload_on_a_cpu(plan: Planner, mode: Offload) -> None:
    overrides = ("device=cpu", f"offload={mode.name}")
    if mode.name in ("none", "auto"):
        assert plan(*overrides)
        return
    assert refused(plan, *overrides) == (
        f"offload={mode.name}: needs an accelerator, and this run is on the CPU"
        "\n  allowed: none, auto"
    )


@pytest.mark.usefixtures("_cuda")
@pytest.mark.parametrize("mode", OFFLOAD.values(), ids=lambda mode: mode.name)
def test_offload_with_an_accelerator(plan: Planner, mode: Offload) -> None:
    assert plan(f"offload={mode.name}").device == "cuda"


COMPILING = ("default", "reduce-overhead", "max-autotune")


@pytest.mark.parametrize("mode", COMPILING)
def test_compiling_on_a_cpu_needs_a_compiler(plan: Planner, compilers: set[str], mode: str) -> None:
    message = refused(plan, "device=cpu", f"compile={mode}")
    assert message == f"compile={mode}: needs a C++ compiler on the CPU\n  allowed: off"
    for compiler in checks.COMPILERS:
        compilers.add(compiler)
        assert plan("device=cpu", f"compile={mode}")
        compilers.clear()


@pytest.mark.usefixtures("compilers")
def test_channels_last_alone_needs_no_compiler(plan: Planner) -> None:
    assert plan("device=cpu", "compile.channels_last=true")


@pytest.mark.usefixtures("_cuda", "compilers")
def test_compiling_on_an_accelerator_needs_no_compiler(plan: Planner) -> None:
    assert plan("compile=default", "compile.fullgraph=true")


@pytest.mark.usefixtures("_cuda")
@pytest.mark.parametrize("mode", COMPILING)
def test_what_is_compiled_cannot_be_offloaded_layer_by_layer(plan: Planner, mode: str) -> None:
    message = refused(plan, f"compile={mode}", "offload=sequential")
    assert message.startswith(f"compile={mode}: offload=sequential moves weights")
    assert message.endswith("allowed: compile=off, or another offload")
    for offload in ("none", "model", "group", "auto"):
        assert plan(f"compile={mode}", f"offload={offload}")
    assert plan("offload=sequential")


@pytest.mark.usefixtures("_cuda")
@pytest.mark.parametrize("offload", ["model", "group", "auto"])
def test_a_full_graph_has_no_hooks(plan: Planner, offload: str) -> None:
    full = ("compile=default", "compile.fullgraph=true")
    message = refused(plan, *full, f"offload={offload}")
    assert message.startswith(f"compile.fullgraph=True: offload={offload} puts hooks")
    assert message.endswith("allowed: compile.fullgraph=false, or offload=none")
    assert plan(*full, "offload=none")


@pytest.mark.usefixtures("_cuda")
def test_blocks_are_compiled_where_they_repeat(plan: Planner) -> None:
    regional = ("compile=default", "compile.regional=true")
    message = refused(plan, *regional)
    assert message.startswith(
        "compile.regional=True: the blocks of Kandinsky 2.2 are too different"
    )
    assert message.endswith("allowed: compile.regional=false, or Kandinsky 5")
    assert plan(*regional, "model=kandinsky5", "weights=random")


K5 = ("model=kandinsky5", "weights=random")
GRAPHS_REFUSED = [
    (
        ("compile=default",), "cpu", "compile=default calls kernels of its own",
        "auto or off; or compile=off",
    ),
    (
        ("compile=default",), "cuda", "compile=default calls kernels of its own",
        "auto or off; or compile=off",
    ),
    (("offload=model",), "cuda", "offload=model moves weights", "auto or off; or offload=none"),
    (
        ("offload=auto",), "cuda:1", "offload=auto may choose a mode that moves weights",
        "auto or off; or offload=none",
    ),
    (
        ("attention=plain", *K5), "cpu", "no trace holds which kernels attention=plain chooses",
        "auto or off; or another attention",
    ),
]  # fmt: skip


@pytest.mark.usefixtures("_cuda")
@pytest.mark.parametrize(("overrides", "device", "why", "allowed"), GRAPHS_REFUSED)
def test_graphs_that_cannot_be_are_refused_or_left_out(
    plan: Planner, overrides: tuple[str, ...], device: str, why: str, allowed: str
) -> None:
    given = (f"device={device}", *overrides)
    message = refused(plan, "graphs=on", *given)
    assert message == f"graphs=on: {why}\n  allowed: {allowed}"
    told = plan_text(plan(*given)).splitlines()
    said = [line for line in told if "graphs" in line]
    if device == "cpu":
        assert said == []
    elif "offload=auto" in overrides:  # known once the device's memory is
        assert said == ["  CUDA graphs on (on CUDA)"]
    else:
        assert said == [f"  CUDA graphs off ({why})"]


@pytest.mark.usefixtures("_cuda")
def test_graphs_where_they_can_be(plan: Planner) -> None:
    keys = set()
    for value, said in (
        ("auto", "on (on CUDA)"), ("on", "on (as configured)"), ("true", "on (as configured)"),
        ("off", "off (as configured)"),
    ):  # fmt: skip
        planned = plan(f"graphs={value}", "channels_last=true")
        assert f"\n  CUDA graphs {said}\n" in plan_text(planned)
        keys.add(planned.images[0].node.key)
    assert len(keys) == 1  # the pixels are the same
    assert refused(plan, "graphs=often") == "graphs=often: is no choice\n  allowed: auto, on, off"


@pytest.mark.usefixtures("_cuda")
def test_channels_last_by_device_and_precision(plan: Planner) -> None:
    """The older name of the key makes the same nodes; `auto` leaves a prior alone."""

    def keys(*overrides: str) -> tuple[str, str]:
        node = plan(*overrides).images[0].node
        return node.key, node.inputs["prior"].key

    for device, precision, faster in (
        ("cuda", "fp16", True), ("cuda:1", "bf16", True), ("cuda", "fp32", False),
        ("cpu", "fp16", False),
    ):  # fmt: skip
        given = (f"device={device}", f"precision={precision}")
        usual, last = keys(*given), keys(*given, "channels_last=true")
        assert last == keys(*given, "compile.channels_last=true")
        assert last[0] != usual[0]
        chosen = plan(*given, "channels_last=auto")
        assert keys(*given, "channels_last=auto")[1] == usual[1]
        assert (chosen.images[0].node.pipeline != plan(*given).images[0].node.pipeline) == faster
        assert chosen.settled["channels_last"] == str(faster)
    assert refused(plan, "channels_last=1").startswith("channels_last=1: is no choice\n")
