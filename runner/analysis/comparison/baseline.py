"""Which setting the others are compared with."""

from __future__ import annotations

from collections.abc import Sequence

from runner.analysis.comparison.labels import format_choice
from runner.analysis.comparison.pairing import PICTURE_AXES, Setting
from runner.analysis.results import SweepResult
from runner.config.measuring import baseline_of
from runner.config.overrides import assigned, shown_value
from runner.config.values import as_shown
from runner.errors import ConfigError
from runner.system.text import with_near


def with_keys(
    results: SweepResult, by: Sequence[str] | None, given: Sequence[str] | None
) -> Sequence[str] | None:
    """Overrides of what may be values alone: `ddim` is `scheduler=ddim` where one axis has it.

    Args:
        by: the axes that are looked at; None: all.

    Raises:
        ConfigError: a value is no axis's, or that of several.
    """
    if given is None:
        return None
    axes = [axis for axis in results.axes if by is None or axis in by]
    found = []
    for text in given:
        plain = shown_value(text)
        having = [axis for axis in axes if {text, plain} & {*results.axes[axis]}]
        key, equals, _ = text.partition("=")
        if equals and (key in results.axes or not having):
            found.append(text)
        elif len(having) == 1:
            found.append(f"{having[0]}={as_shown(having[0], text, results.axes[having[0]])}")
        else:
            problem = f"is a value of {' and '.join(having)}" if having else "is no override"
            allowed = [
                f"{axis}={v}"
                for axis in having or axes
                for v in results.axes[axis]
                if not having or v == text
            ]
            raise ConfigError("baseline", text, problem, allowed)
    return found


def named_axes(results: SweepResult, given: Sequence[str] | None) -> tuple[str, ...]:
    """The axes that the baseline names, in the sweep's order, without prompt and seed.

    Args:
        given: overrides; None: the sweep's own `baseline`.
    """
    named = results.baseline if given is None else assigned(baseline_of(list(given)))
    return tuple(axis for axis in results.axes if axis in named and axis not in PICTURE_AXES)


def baseline_among(
    settings: Sequence[Setting],
    by: Sequence[str],
    results: SweepResult,
    given: Sequence[str] | None,
) -> tuple[Setting, str | None]:
    """The baseline, and a note on the values that it leaves open (None: it leaves none).

    Args:
        settings: in the sweep's order.
        by: the axes that make a setting.
        given: overrides, as `scheduler=ddim`; None: the sweep's own `baseline`.

    Raises:
        ConfigError: the sweep has no such setting, or no picture of it yet.
    """
    wanted = _sweeps_own(results, by) if given is None else _given(given, by, settings)
    fitting = [setting for setting in settings if wanted.items() <= setting.choice.items()]
    if not fitting:
        raise ConfigError(
            "baseline", format_choice(wanted), "is no setting of this sweep",
            "values that a cell has together",
        )  # fmt: skip
    with_pictures = [setting for setting in fitting if setting.pictures]
    if not with_pictures:
        raise ConfigError("baseline", format_choice(wanted) or None, "has no picture yet")
    # In the sweep's order: the first has the first value of each axis that is left open.
    found = with_pictures[0]
    rest = {axis: value for axis, value in found.choice.items() if axis not in wanted}
    if not rest:
        return found, None
    return found, f"{format_choice(rest)}, since none was named: the first of the sweep"


def _sweeps_own(results: SweepResult, by: Sequence[str]) -> dict[str, str]:
    """The values of the axes in the config's `baseline`."""
    pairs = results.baseline
    return {axis: pairs[axis] for axis in by if axis in pairs}


def _given(
    overrides: Sequence[str], by: Sequence[str], settings: Sequence[Setting]
) -> dict[str, str]:
    wanted: dict[str, str] = {}
    for axis, said in assigned(baseline_of(list(overrides))).items():
        if axis not in by:
            problem = with_near("is none of the axes that are compared", axis, by)
            raise ConfigError("baseline", axis, problem, by)
        known = dict.fromkeys(s.choice[axis] for s in settings if axis in s.choice)
        wanted[axis] = value = as_shown(axis, said, known)
        if value not in known:
            raise ConfigError(
                "baseline", f"{axis}={value}", "is in no cell of this sweep",
                [f"{axis}={one}" for one in known],
            )  # fmt: skip
    return wanted
