"""Seeds as people write them: a list, a number of them, a range, or some that are drawn at random.

Seeds that are drawn are kept beside the runs that they are drawn for, and read from there again.
"""

from __future__ import annotations

import json
import re
import secrets
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from runner.config.prompts import MOST_IMAGES
from runner.errors import ConfigError, StorageError
from runner.system.files import below, make_folder, write_whole
from runner.system.locks import lock_file
from runner.system.typed_json import FieldError, read_json

MAX_SEED = 2**63 - 1
"""The largest seed that torch.Generator.manual_seed accepts."""

DRAWN = "seeds.json"
"""The file of drawn seeds, in the folder of the runs of one name."""
DRAWN_BELOW = 2**32
"""torch's CPU generator (mt19937) reads the lowest 32 bits of a seed."""

ALLOWED = "a number of seeds, a list, range(first,end[,step]), random(count)"
FUNCTION = re.compile(r"(?P<name>range|random)\((?P<numbers>[^()]*)\)")
WHOLE = re.compile(r"[+-]?\d{1,19}")


def seeds_of(value: object, folder: Path) -> tuple[int, ...]:
    """The seeds that a config's `seeds` means: 3 is 0, 1, 2; range(0,3) is the same.

    Args:
        folder: where drawn seeds are kept.

    Raises:
        ConfigError: they are not distinct whole numbers that torch accepts.
        StorageError: drawn seeds cannot be kept.
    """
    if isinstance(value, list | tuple):
        return check_seeds(value)
    if isinstance(value, str):
        if (found := FUNCTION.fullmatch(value.strip())) is not None:
            return _of_function(value, found["name"], found["numbers"], folder)
        value = int(value) if WHOLE.fullmatch(value.strip()) else value
    if isinstance(value, bool) or not isinstance(value, int):
        raise ConfigError("seeds", value, "says no seeds", ALLOWED)
    return tuple(range(_count(value, value)))


def check_seeds(seeds: Sequence[object]) -> tuple[int, ...]:
    """Check that seeds are distinct whole numbers and that torch accepts them.

    Raises:
        ConfigError: they are not.
    """
    if not seeds:
        raise ConfigError("seeds", "[]", "no image would be made", "at least one number")
    checked: list[int] = []
    for seed in seeds:
        number = int(seed) if isinstance(seed, str) and WHOLE.fullmatch(seed.strip()) else seed
        if isinstance(number, bool) or not isinstance(number, int):
            raise ConfigError("seeds", seed, "is no whole number", f"0 to {MAX_SEED}")
        if not 0 <= number <= MAX_SEED:
            raise ConfigError("seeds", seed, "is out of range", f"0 to {MAX_SEED}")
        checked.append(number)
    repeated = sorted(seed for seed, times in Counter(checked).items() if times > 1)
    if repeated:
        raise ConfigError("seeds", checked, f"{repeated[0]} is there twice", "each seed once")
    return tuple(checked)


def with_drawn(overrides: Iterable[str], seeds: Sequence[int]) -> Iterator[str]:
    """A config's overrides with its drawn seeds in the place of `random(8)`: so they are recorded,
    and say the same wherever they are used again.
    """
    for override in overrides:
        key, _, value = override.partition("=")
        drawn = key.lstrip("+") == "seeds" and value.strip(" '\"").startswith("random(")
        yield f"{key}=[{','.join(map(str, seeds))}]" if drawn else override


def _of_function(value: str, name: str, written: str, folder: Path) -> tuple[int, ...]:
    parts = [part.strip() for part in written.split(",")]
    most = 3 if name == "range" else 1
    if len(parts) > most or not all(map(WHOLE.fullmatch, parts)):
        raise ConfigError("seeds", value, "cannot be read", ALLOWED)
    numbers = [int(part) for part in parts]
    if name == "random":
        return drawn_seeds(_count(numbers[0], value), folder)
    if len(numbers) == 3 and numbers[2] == 0:
        raise ConfigError("seeds", value, "steps by 0", ALLOWED)
    found = range(*numbers)
    _count(len(found), value)
    return check_seeds(found)


def _count(number: int, value: object) -> int:
    if number < 1:
        raise ConfigError("seeds", value, "no image would be made", "1 or more seeds")
    if number > MOST_IMAGES:
        raise ConfigError("seeds", value, "are too many", f"up to {MOST_IMAGES:,} seeds")
    return number


def drawn_seeds(count: int, folder: Path) -> tuple[int, ...]:
    """The first `count` seeds that were drawn for a folder; those that lack are drawn now.

    Raises:
        StorageError: the file of drawn seeds cannot be written, or is damaged.
    """
    file = below(folder, DRAWN)
    known = _read(file)
    if len(known) >= count:
        return known[:count]
    make_folder(folder)
    try:
        with lock_file(folder / f".{DRAWN}.lock"):
            known = _read(file)  # another process may have drawn meanwhile
            found = dict.fromkeys(known)
            while len(found) < count:
                found.setdefault(secrets.randbelow(DRAWN_BELOW))
            if len(found) > len(known):
                write_whole(file, f"{json.dumps({'drawn': list(found)})}\n".encode())
    except OSError as error:
        raise StorageError(f"cannot write {file}: {error.strerror}") from error
    return tuple(found)[:count]


def _read(file: Path) -> tuple[int, ...]:
    try:
        content = read_json(file)
        drawn = content.get("drawn") if isinstance(content, dict) else None
        if not isinstance(drawn, list) or any(type(seed) is not int for seed in drawn):
            raise StorageError(f"{file} is damaged: it holds no list of seeds; remove it")
        return check_seeds(drawn)
    except FileNotFoundError:
        return ()
    except (OSError, FieldError) as error:
        raise StorageError(f"seeds=random(...): {error}") from error
    except ConfigError as error:
        raise StorageError(f"{file} is damaged: {error}; remove it") from error
