"""`kandinsky models`: what each version can do, by which route, and what of it is on disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from runner.catalog.checkpoint import Checkpoint
from runner.catalog.schedulers import FITTING
from runner.catalog.tasks import TASKS
from runner.catalog.versions import CATALOG, VERSIONS, refusal_of
from runner.config.choices import Precision, WeightsSource
from runner.config.groups import CheckpointConfig, WeightsConfig
from runner.config.reference import groups
from runner.errors import ConfigError, SeveralError, WeightsError
from runner.system.text import format_bytes
from runner.verbs.parser import VerbParser
from runner.weights.complete import newest_commit
from runner.weights.find import find_weights, mini_folder
from runner.weights.hashes import FileHashes, hash_memory


def main(arguments: list[str]) -> int:
    """Print the tables. Touches no network."""
    parser = VerbParser(prog="kandinsky models", description=__doc__)
    parser.add_argument(
        "--markdown", action="store_true", help="print the tables of README.md and docs/tasks.md"
    )
    parser.add_argument(
        "weights",
        nargs="*",
        metavar="weights=...",
        help="what these weights hold: a folder, random weights of a size, ...",
    )
    options = parser.parse_args(arguments)
    if options.markdown:
        print(tasks_markdown())
        print()
        print(routes_markdown())
        return 0
    asked = _asked(options.weights)
    print(table())
    print()
    print(checkpoints(asked))
    return 0


def _asked(given: Sequence[str]) -> dict[str, WeightsConfig]:
    """What is shown, and the weights that it stands for.

    Raises:
        ConfigError, ComposeError: they are no weights.
    """
    if not given:
        return {
            f"weights={source.name:<5}": WeightsConfig(source=source)
            for source in (WeightsSource.mini, WeightsSource.hub)
        }
    for argument in given:
        if not argument.startswith(("weights=", "weights.")):
            key, _, value = argument.partition("=")
            allowed = "weights=..., with keys of it such as weights.size=tiny; or nothing"
            raise ConfigError(key, value, "is no choice of weights", allowed)
    # Imported here: Hydra is not needed for the tables.
    from runner.config.hydra.single import compose_one

    return {" ".join(given): compose_one(given).weights}


def table() -> str:
    """Version x task: yes, or the number of a reason below."""
    versions = VERSIONS.values()
    refusals = {(v.name, t.name): refusal_of(v, t) for v in versions for t in TASKS.values()}
    reasons = [why for why in dict.fromkeys(refusals.values()) if why is not None]
    rows = [["", *(f"model={version.name}" for version in versions)]]
    for task in TASKS:
        cells = []
        for version in versions:
            reason = refusals[version.name, task]
            cells.append("yes" if reason is None else f"no ({reasons.index(reason) + 1})")
        rows.append([f"task={task}", *cells])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    lines += [f"({number}) {reason}" for number, reason in enumerate(reasons, start=1)]
    whose: dict[tuple[str, ...], list[str]] = {}
    for version in versions:
        whose.setdefault(FITTING[version.flow], []).append(version.name)
    for schedulers, names in whose.items():
        of = "for all of them" if len(whose) == 1 else f"of {', '.join(names)}"
        lines.append(f"schedulers, {of}: {', '.join(schedulers)}")
    return "\n".join(lines)


def checkpoints(asked: Mapping[str, WeightsConfig]) -> str:
    """Each checkpoint, its use, and which parts of it are on disk.

    Args:
        asked: how it is shown -> the weights.
    """
    used: dict[tuple[str, str], list[str]] = {}
    for row in CATALOG:
        for checkpoint in row.checkpoints.values():
            uses = used.setdefault((checkpoint.repo, checkpoint.folder), [])
            uses.append(f"{row.version.title} {row.task.name}")
    lines = []
    for (repo, folder), uses in used.items():
        title = repo if repo.endswith(f"/{folder}") else f"{repo} as {folder}"
        lines.append(f"{title}: {', '.join(dict.fromkeys(uses))}")
        lines += [f"  {shown} {_on_disk(folder, weights)}" for shown, weights in asked.items()]
    return "\n".join(lines)


def tasks_markdown() -> str:
    """Task x version: the task's description, and the versions that have it."""
    versions = " | ".join(version.title for version in VERSIONS.values())
    lines = [f"| task | what it does | {versions} |", "|---" * (len(VERSIONS) + 2) + "|"]
    explained = {option.name: option.explanation for option in groups()["task"]}
    for task in TASKS:
        able = ["yes" if task in version.tasks else "" for version in VERSIONS.values()]
        lines.append(f"| `{task}` | {explained[task]} | {' | '.join(able)} |")
    return "\n".join(lines)


def routes_markdown() -> str:
    """Version x task x route: the stages, and the diffusers class of each."""
    lines = ["| version | task | route |", "|---|---|---|"]
    for version in VERSIONS.values():
        for task in TASKS.values():
            roles = version.tasks.get(task.name, {})
            route = ", then ".join(
                f"{role}: `{checkpoint.pipeline}` of `{checkpoint.folder}`"
                for role, checkpoint in roles.items()
            )
            route = route or f"refused: {refusal_of(version, task)}"
            lines.append(f"| {version.title} | {task.name} | {route} |")
    return "\n".join(lines)


def _on_disk(folder: str, weights: WeightsConfig) -> str:
    row, role = next(
        (row, role)
        for row in CATALOG
        for role, checkpoint in row.checkpoints.items()
        if checkpoint.folder == folder
    )
    checkpoint, source = row.checkpoints[role], weights.source
    if source is WeightsSource.mini and mini_folder(checkpoint) is None:
        return "not in the small family"
    if source is WeightsSource.folder and not _folder_of(weights, checkpoint).is_dir():
        return "not in this folder"
    roles = [name for name, checkpoint in row.checkpoints.items() if checkpoint.folder == folder]
    try:
        found = find_weights(
            row, weights, CheckpointConfig(),
            precisions=dict.fromkeys(roles, Precision.fp32), hashes=FileHashes(hash_memory()),
        ).checkpoints  # fmt: skip
    except (WeightsError, SeveralError) as error:
        told = str(error).replace("\n", "\n    ")
        return f"damaged: {told}"
    checked = [f.checked for f in found.values() if f.checked is not None]
    if len(checked) < len(found):
        will = "downloaded" if checkpoint.original is None else "downloaded and converted"
        return f"not on disk; {will} at the first run"
    commit = found[role].revision
    revision = f", commit {commit[:8]}" if commit else ""
    newest = newest_commit(checkpoint.repo, "main")
    if commit and newest not in (None, commit):
        revision += f" (main is now at {newest[:8]})"
    millions = sum(sum(c.parameters.values()) for c in checked) / 1e6
    if source is WeightsSource.random:
        return f"{millions:,.1f} million numbers, made on the device; nothing is read"
    size = format_bytes(sum(c.bytes for c in checked))
    return f"{size}, {millions:.1f} million parameters{revision}: {checked[0].path}"


def _folder_of(weights: WeightsConfig, checkpoint: Checkpoint) -> Path:
    return Path(str(weights.path)).expanduser() / checkpoint.folder
