"""Runs a job through Hydra's command line, composition and multirun, with our messages."""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from runner.config.cell import Cell
from runner.config.cluster import Cluster
from runner.config.hydra import tree
from runner.config.hydra.arguments import flags_of, prepare
from runner.config.hydra.flags import flag_errors
from runner.config.hydra.problems import config_problem
from runner.config.hydra.search import best_of_search
from runner.config.hydra.single import composed_with_hydra, resolve_composed
from runner.config.overrides import quote_home
from runner.config.resolve import resolve
from runner.config.run_config import RunConfig
from runner.errors import ConfigError
from runner.system.exit import report_errors

if TYPE_CHECKING:
    from runner.config.hydra.launcher import Objective

STOPPED = 128
"""Exit statuses from here on mean that a signal stopped the process."""

Job = Callable[[RunConfig], int]
SweepJob = Callable[[Sequence[Cell], Cluster | None], "Swept"]


@dataclass(frozen=True)
class Swept:
    """How a sweep ended, and its cells' objectives for an optimising sweeper, by number."""

    status: int
    objectives: Mapping[int, Objective] = field(default_factory=dict)


def run_with_hydra(
    job: Job, arguments: list[str], prog: str, sweep_job: SweepJob, own_flags: Sequence[str] = ()
) -> int:
    """Compose config(s) from the arguments and run `job` on each. Returns the worst exit status.

    Hydra's own flags (--cfg, --info, -m, --config-dir, shell completion, ...) keep working.

    Args:
        sweep_job: called with all cells of a multirun, invalid ones too, and with the cluster of
            the launcher, if any. Launchers of other packages run `job` on each cell instead.
        own_flags: flags of the verb, which it has read already: a wrong one may be meant for them.

    Raises:
        ConfigError: what is chosen of a group is no name.
    """
    tree.register()
    arguments = [quote_home(argument) for argument in prepare(arguments)]
    alone = _single(arguments)
    if alone is not None and alone.hydra.mode is not RunMode.MULTIRUN:
        return shield(lambda: job(resolve_composed(alone, arguments)), bool(alone.debug))
    # An experiment may declare itself a sweep.
    flags = [] if alone is None else ["--multirun"]

    import hydra
    from hydra.core.hydra_config import HydraConfig

    from runner.config.hydra import launcher

    statuses: list[int] = []
    began = time.time()

    def hydra_job(composed: DictConfig) -> None:
        debug = bool(OmegaConf.select(composed, "debug"))
        statuses.append(shield(lambda: job(_resolved(composed, HydraConfig.get())), debug))
        _stop_if_asked(statuses)

    def hydra_sweep_job(cells: Sequence[Cell], cluster: Cluster | None) -> Mapping[int, Objective]:
        objectives: dict[int, Objective] = {}

        def job_of_sweep() -> int:
            swept = sweep_job(cells, cluster)
            objectives.update(swept.objectives)
            return swept.status

        debug = any(isinstance(c.config, RunConfig) and c.config.debug for c in cells)
        statuses.append(shield(job_of_sweep, debug))
        _stop_if_asked(statuses)
        return objectives

    # Hydra takes the calling module from here, also for its help.
    hydra_job.__module__ = __name__
    setattr(hydra_job, launcher.SWEEP_JOB, hydra_sweep_job)
    application = hydra.main(
        version_base="1.3", config_path=str(tree.config_dir()), config_name=tree.CONFIG_NAME
    )(hydra_job)
    problem = _call(application, [prog, *flags, *put_flags_first(arguments)], own_flags)
    folder = getattr(hydra_job, launcher.SWEEP_DIR, None)
    if folder is not None and (found := best_of_search(folder, began)):
        print(found, file=sys.stderr)
    return max([*statuses, problem], default=0)


def _stop_if_asked(statuses: Sequence[int]) -> None:
    if statuses[-1] >= STOPPED:  # by a signal: no further cells start
        raise SystemExit(statuses[-1])


def _resolved(composed: DictConfig, hydra_config: Any) -> RunConfig:
    experiment = hydra_config.runtime.choices.get("experiment")
    # Unresolved: overrides may hold interpolations of keys that Hydra's own config lacks.
    overrides = OmegaConf.to_container(hydra_config.overrides.task, resolve=False)
    assert isinstance(overrides, list)
    if hydra_config.sweeper.get("together"):
        pair = str(hydra_config.sweeper.together[0])
        key, _, value = pair.partition("=")
        raise ConfigError(key, value, "is several values, and this is one run", "-m")
    run = resolve(composed, experiment=experiment, overrides=overrides)
    return replace(run, flags=flags_of(hydra_config))


def _single(arguments: Sequence[str]) -> DictConfig | None:
    """The composed config where nothing else is asked of Hydra, which would compose it twice: first
    only to find `hydra.mode`.

    None where the arguments hold flags, settings of Hydra or interpolations that read these; and
    where they cannot be composed: then Hydra reports the error, or finds that they are a sweep's.
    """
    if any(argument.startswith("-") or "hydra" in argument for argument in arguments):
        return None
    try:
        composed = composed_with_hydra(arguments)
        OmegaConf.select(composed, "debug")  # may be an interpolation that cannot be resolved
    except (HydraException, OmegaConfBaseException):
        return None
    return composed


def put_flags_first(arguments: list[str]) -> list[str]:
    """Move overrides behind all flags: Hydra's parser refuses `a=1 -m b=2,3`."""
    flags: list[str] = []
    overrides: list[str] = []
    for before, argument in zip(["", *arguments], arguments, strict=False):
        is_value = before.startswith("-") and before not in ("-m", "--multirun", "-r", "--run")
        is_override = not argument.startswith("-") and ("=" in argument or argument[:1] == "~")
        (overrides if is_override and not is_value else flags).append(argument)
    return [*flags, *overrides]


def shield(one: Callable[[], int], debug: bool) -> int:
    """Catch all exceptions of a cell: Hydra would print a traceback and exit with 1."""
    try:
        return report_errors(one, debug)
    except Exception:
        # A bug of the runner, so its traceback is printed.
        traceback.print_exc()
        return 1


def _call(application: Callable[[], Any], argv: list[str], own_flags: Sequence[str]) -> int:
    """Run Hydra's main. Hydra's errors are config errors: one message, exit status 2.

    Raises:
        ConfigError: of a flag.
    """
    before_argv, before_full = sys.argv, os.environ.get("HYDRA_FULL_ERROR")
    sys.argv = argv
    # Makes Hydra raise errors that it would print, such as raw tracebacks for malformed YAML.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        with flag_errors(own_flags):
            application()
    except ConfigError:
        raise
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except Exception as error:
        if before_full == "1":
            raise
        print(f"error: {config_problem(error)}", file=sys.stderr)
        return 2
    finally:
        sys.argv = before_argv
        if before_full is None:
            os.environ.pop("HYDRA_FULL_ERROR", None)
        else:
            os.environ["HYDRA_FULL_ERROR"] = before_full
    return 0
