"""`kandinsky models`: what each version can do, by which route, and what of it is on disk."""

from __future__ import annotations

import argparse

from runner.catalog.rows import CATALOG, REFUSED
from runner.config.choices import Task, Version, WeightsSource
from runner.config.groups import CheckpointConfig, WeightsConfig
from runner.config.reference import groups
from runner.errors import WeightsError
from runner.weights.find import find_weights, mini_folder
from runner.weights.hashes import FileHashes


def main(arguments: list[str]) -> int:
    """Print the tables. Touches no network."""
    parser = argparse.ArgumentParser(prog="kandinsky models", description=__doc__)
    parser.add_argument(
        "--markdown", action="store_true", help="print the tables of README.md and docs/tasks.md"
    )
    if parser.parse_args(arguments).markdown:
        print(tasks_markdown())
        print()
        print(routes_markdown())
        return 0
    print(table())
    print()
    print(checkpoints())
    return 0


def table() -> str:
    """Version x task: yes, or the number of a reason below."""
    reasons = list(dict.fromkeys(REFUSED.values()))
    rows = [["", *(f"model={version.name}" for version in Version)]]
    for task in Task:
        cells = []
        for version in Version:
            reason = REFUSED.get((version, task))
            cells.append("yes" if reason is None else f"no ({reasons.index(reason) + 1})")
        rows.append([f"task={task.name}", *cells])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    lines += [f"({number}) {reason}" for number, reason in enumerate(reasons, start=1)]
    every = ", ".join(scheduler.name for scheduler in CATALOG[0].schedulers)
    return "\n".join([*lines, f"schedulers, for all of them: {every}"])


def checkpoints() -> str:
    """Each checkpoint, what it is used for, and what of it is on disk."""
    used: dict[str, list[str]] = {}
    for row in CATALOG:
        for checkpoint in row.checkpoints.values():
            uses = used.setdefault(checkpoint.repo, [])
            uses.append(f"{row.version.value} {row.task.name}")
    lines = []
    for repo, uses in used.items():
        lines.append(f"{repo}: {', '.join(dict.fromkeys(uses))}")
        lines += [
            f"  weights={source.name:<5} {_on_disk(repo, source)}"
            for source in (WeightsSource.mini, WeightsSource.hub)
        ]
    return "\n".join(lines)


def tasks_markdown() -> str:
    """Task x version: what a task does, and which versions have it."""
    versions = " | ".join(version.value for version in Version)
    lines = [f"| task | what it does | {versions} |", "|---" * (len(Version) + 2) + "|"]
    explained = {option.name: option.explanation for option in groups()["task"]}
    for task in Task:
        able = ["" if (version, task) in REFUSED else "yes" for version in Version]
        lines.append(f"| `{task.name}` | {explained[task.name]} | {' | '.join(able)} |")
    return "\n".join(lines)


def routes_markdown() -> str:
    """Version x task x route: the stages, and the diffusers class of each."""
    lines = ["| version | task | route |", "|---|---|---|"]
    for version in Version:
        for task in Task:
            if (version, task) in REFUSED:
                route = f"refused: {REFUSED[version, task]}"
            else:
                roles = next(r for r in CATALOG if (r.version, r.task) == (version, task))
                route = ", then ".join(
                    f"{role}: `{checkpoint.pipeline}` of `{checkpoint.folder}`"
                    for role, checkpoint in roles.checkpoints.items()
                )
            lines.append(f"| {version.value} | {task.name} | {route} |")
    return "\n".join(lines)


def _on_disk(repo: str, source: WeightsSource) -> str:
    row, role = next(
        (row, role)
        for row in CATALOG
        for role, checkpoint in row.checkpoints.items()
        if checkpoint.repo == repo
    )
    if source is WeightsSource.mini and mini_folder(row.checkpoints[role]) is None:
        return "not in the small family"
    roles = [name for name, checkpoint in row.checkpoints.items() if checkpoint.repo == repo]
    try:
        found = find_weights(
            row, WeightsConfig(source=source), CheckpointConfig(),
            roles=roles, hashes=FileHashes(None), download=False,
        ).checkpoints  # fmt: skip
    except WeightsError as error:
        return f"damaged: {error}"
    checked = [f.checked for f in found.values() if f.checked is not None]
    if len(checked) < len(found):
        return "not on disk; downloaded at the first run"
    commit = found[role].revision
    revision = f", commit {commit[:8]}" if commit else ""
    millions = sum(sum(c.parameters.values()) for c in checked) / 1e6
    size = sum(c.bytes for c in checked) / 2**20
    return f"{size:.1f} MiB, {millions:.1f} million parameters{revision}: {checked[0].path}"
