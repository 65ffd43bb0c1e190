"""Finds the baseline of each cell of a sweep, and adds the nodes that compare with it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from runner.config.cell import Cell
from runner.config.choices import CacheMode
from runner.config.overrides import assigned
from runner.config.values import meaning
from runner.errors import ConfigError, RunnerError
from runner.graph.node import Node
from runner.planning.nodes import NodeFactory
from runner.planning.plan import Plan

NodesOf: TypeAlias = "Callable[[Plan], NodeFactory]"
"""Gives the node factory of a plan."""


def no_baseline(plan: Plan) -> ConfigError:
    """The error of a plan whose metrics need a baseline, and which has none."""
    name = plan.compared[0].name
    return ConfigError(
        "baseline", None, f"metrics: {name} compares with another cell",
        f"a sweep (-m) with baseline=<overrides of a cell>, or metrics.{name}.against=image",
    )  # fmt: skip


def compare_with_baselines(
    cells: Sequence[Cell], plans: Sequence[Plan], nodes_of: NodesOf
) -> tuple[list[Plan], dict[int, int], dict[str, list[Cell]]]:
    """Add to each plan the nodes that compare it with its baseline.

    Returns:
        the plans, without those at fault; cell number -> number of its baseline; message -> cells
        whose baseline is wrong.
    """
    chosen = [assigned(cell.overrides) for cell in cells]
    by_choice = {_meant(own): place for place, own in enumerate(chosen)}
    found: list[Plan] = []
    baselines: dict[int, int] = {}
    faults: dict[str, list[Cell]] = {}
    for cell, own, plan in zip(cells, chosen, plans, strict=True):
        try:
            if plan.run.baseline:
                wanted = assigned(plan.run.baseline)
                place = by_choice.get(_meant({**own, **wanted}))
                if place is None:
                    raise _no_such_cell(plan, wanted, own, chosen)
                baseline = plans[place]
                # The baseline itself is not compared.
                if baseline is plan or not plan.compared:
                    found.append(plan)
                else:
                    found.append(measure_against(plan, baseline, nodes_of(plan)))
                    baselines[cell.number] = cells[place].number
            elif plan.compared:
                raise no_baseline(plan)
            else:
                found.append(plan)
        except RunnerError as error:
            faults.setdefault(str(error), []).append(cell)
    return found, baselines, faults


def _meant(chosen: Mapping[str, str]) -> Hashable:
    return frozenset((key, meaning(key, value)) for key, value in chosen.items())


def _no_such_cell(
    plan: Plan,
    wanted: Mapping[str, str],
    own: Mapping[str, str],
    chosen: Sequence[Mapping[str, str]],
) -> ConfigError:
    for key, value in wanted.items():
        values = list(dict.fromkeys(other[key] for other in chosen if key in other))
        if value not in values:
            return ConfigError(
                "baseline", f"{key}={value}", "is in no cell of this sweep",
                [f"{key}={value}" for value in values] or "a key that the sweep varies",
            )  # fmt: skip
    allowed = "overrides that lead from every cell to one of them"
    ways: list[list[str]] = [
        [f"{key}={value}" for key, value in other.items() if key in wanted or own.get(key) != value]
        for other in chosen
        if wanted.items() <= other.items()
    ]
    if ways:  # in a sweep that is no product of its axes
        shortest = min(ways, key=len)
        allowed += f", such as {' '.join(shortest)}"
    return ConfigError(
        "baseline", " ".join(plan.run.baseline), "leads from this cell to none of the sweep",
        allowed,
    )  # fmt: skip


def measure_against(plan: Plan, baseline: Plan, nodes: NodeFactory) -> Plan:
    """The plan, with metrics that compare its images with the baseline's of the same prompts and
    seeds. A baseline with another execution profile draws its own images: the reference is then an
    external node (see `Plan.external_references`).

    Raises:
        ConfigError: the baseline lacks some of these prompts and seeds, or has another size; or
            its stored pictures would be reused for this cell.
    """
    asked = " ".join(plan.run.baseline)
    others = {(i.request.prompt, i.request.seed): i for i in baseline.images}
    if (plan.height, plan.width) != (baseline.height, baseline.width):
        raise ConfigError(
            "baseline", asked,
            f"is of {baseline.width} x {baseline.height} px, and this of "
            f"{plan.width} x {plan.height}", "pictures of one size",
        )  # fmt: skip
    apart = baseline.profile != plan.profile
    images = []
    for image in plan.images:
        request = image.request
        other = others.get((request.prompt, request.seed))
        if other is None:
            raise ConfigError(
                "baseline", asked, f"has no picture of {request.prompt!r} with seed {request.seed}",
                "a cell of the same prompts and seeds",
            )  # fmt: skip
        reference = other.node
        if apart:
            _check_drawn_apart(plan, image.node, baseline, other.node)
            reference = nodes.external_image(other.node, str(baseline.profile.described))
        measures = {
            metric.name: nodes.measure(request, metric, image.node, reference)
            for metric in plan.compared
        }
        images.append(replace(image, measures={**image.measures, **measures}))
    return replace(plan, images=tuple(images))


def _check_drawn_apart(plan: Plan, own: Node, baseline: Plan, other: Node) -> None:
    asked = " ".join(plan.run.baseline)
    if plan.run.output_dir != baseline.run.output_dir:
        raise ConfigError(
            "baseline", asked, "is run in another way, and put into "
            f"another folder ({baseline.run.output_dir})", "one output_dir for both",
        )  # fmt: skip
    stored = plan.run.cache is CacheMode.use and baseline.run.cache is not CacheMode.off
    if stored and own.key == other.key:
        both = zip(plan.profile.described, baseline.profile.described, strict=True)
        apart = ", ".join(name for (name, mine), (_, theirs) in both if mine != theirs)
        raise ConfigError(
            "baseline", asked,
            f"differs in nothing but {apart}, and with cache=use its stored pictures are taken "
            "for this cell's", "cache=off, which draws both",
        )  # fmt: skip
