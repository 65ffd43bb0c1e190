"""The part of `kandinsky plan` on graphs of calls, and on what torch.compile costs and gains."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from runner.catalog.graphs import graph_kind
from runner.config.choices import CompileMode, Graphs
from runner.engine.estimates import Estimator
from runner.engine.first_calls import Paying, first_calls, paying
from runner.planning.graphs import graphs_settled
from runner.planning.nodes import UNGUIDED
from runner.planning.plan import Plan
from runner.planning.planner import results_dir
from runner.system.text import duration


def graphs_lines(plan: Plan) -> list[str]:
    """Whether denoisers run as graphs, where that is a question."""
    kind = graph_kind(plan.device)
    if kind is None or not (kind.holds or plan.run.graphs is Graphs.on):
        return []
    used, why = graphs_settled(plan.run, plan.device)
    return [f"{kind.several} {'on' if used else 'off'} ({why})"]


def compile_lines(plans: Sequence[Plan], estimator: Estimator | None = None) -> list[str]:
    """Lines for the cells that compile; each said once.

    Args:
        estimator: over the store of these plans, which is read once where it is at hand.
    """
    compiled = [plan for plan in plans if plan.run.compile.mode is not CompileMode.off]
    if not compiled:
        return []
    known = first_calls()
    estimator = estimator or Estimator(results_dir(compiled[0].run.output_dir))
    found: dict[str, None] = {}
    for plan in compiled:
        image = plan.images[0].node
        told = paying(image.lineage().values(), estimator, known)
        found[f"compile={plan.run.compile.mode.value}: {paying_text(told)}"] = None
    return [*found, *_lengths_lines(compiled)]


def _lengths_lines(compiled: Sequence[Plan]) -> Iterator[str]:
    """That it is compiled anew for each length of a text, where versions need that."""
    texts: set[str] = set()
    for plan in compiled:
        run = plan.run
        if run.version.texts_keep_length:
            texts |= set(run.prompts)
            if run.decoder.guidance_scale > UNGUIDED:
                texts.add(run.negative_prompt or "")
    if len(texts) > 1:
        yield (
            f"compiled anew for each length of a text, of which there are up to {len(texts)}: the "
            "first image of each takes as long"
        )


def paying_text(told: Paying | None) -> str:
    """One line on what compiling costs."""
    if told is None:
        return "what its first call costs is not known yet: nothing like it was compiled here"
    kept = ", the code is there from earlier runs" if told.kept else ""
    text = f"the first image takes about {duration(told.first)}{kept}"
    if told.later is None:
        return f"{text}; later ones were not measured here yet"
    text += f", later ones {duration(told.later)}"
    if told.without is None:
        return f"{text}; whether it pays is not known: nothing like it was drawn here without"
    text += f", without it {duration(told.without)}"
    if told.images is None:
        return f"{text}: it does not pay"
    return f"{text}: it pays from {told.images} images in one run"
