"""Addresses of MLflow stores in sqlite files, and the store of an output folder itself."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote, unquote

SQLITE = "sqlite:///"
STORE, ARTIFACTS = "mlflow.db", "mlartifacts"
"""In an output folder: its own store, and the folder of that store's artifacts."""


def sqlite_uri(path: Path) -> str:
    """The address of a sqlite file. In it ? begins a query, and %20 means a space."""
    if not {"%", "?", "#"} & {*str(path)}:
        return f"{SQLITE}{path}"
    # Also the slashes: MLflow makes the folders of an address before it is unquoted.
    return SQLITE + quote(str(path), safe="")


def sqlite_path(uri: str) -> Path | None:
    """The file of a sqlite store; None for any other."""
    if not uri.startswith(SQLITE):
        return None
    return Path(unquote(uri.removeprefix(SQLITE).partition("?")[0]))


def own_store(output_dir: Path) -> tuple[str, str]:
    """The address of an output folder's own store, and the folder of its artifacts."""
    return sqlite_uri(output_dir / STORE), str(output_dir / ARTIFACTS)


def is_own_store(uri: str, artifact_root: str | None) -> bool:
    """Whether a store and its artifacts lie beside each other as in an output folder."""
    if artifact_root is None or Path(artifact_root).name != ARTIFACTS:
        return False
    store = Path(artifact_root).with_name(STORE)
    # Earlier versions wrote addresses without quoting.
    return uri == f"{SQLITE}{store}" or sqlite_path(uri) == store
