"""Settings for a cluster of Ray that a run starts on this machine for itself alone.

Whoever reaches a Ray cluster can run code in it. Ray reads these settings once, from the
environment, when it is first imported; its processes inherit them.
"""

from __future__ import annotations

import importlib
import os
import secrets
from functools import cache

from runner.errors import RunnerError

LOOPBACK_ALONE = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
"""Its name is of the systems where Ray itself has it off. Ray replaces a loopback address in
`ray.init` by the machine's own, so this is the only way to have it listen on loopback.
"""


@cache
def set_up() -> None:
    """Have the cluster listen on loopback alone, for those who know a token of this process: one
    for all its clusters, as Ray keeps the first.

    The user's own settings and token are for clusters that others reach too.
    """
    os.environ[LOOPBACK_ALONE] = "0"
    os.environ["RAY_AUTH_MODE"] = "token"
    os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
    os.environ.pop("RAY_AUTH_TOKEN_PATH", None)


def check() -> None:
    """Raises RunnerError where the cluster that was started is not as `set_up` asked."""
    import ray

    raylet = importlib.import_module("ray._raylet")  # which has no types
    addresses = {str(node["NodeManagerAddress"]) for node in ray.nodes()}  # type: ignore[no-untyped-call]
    if addresses - {"127.0.0.1", "::1"}:
        raise RunnerError(f"Ray listens on {', '.join(sorted(addresses))}, not on loopback alone")
    if raylet.get_authentication_mode() != raylet.AuthenticationMode.TOKEN:
        raise RunnerError("Ray was started without its token authentication")
