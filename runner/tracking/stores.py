"""The MLflow store of an output folder itself."""

from __future__ import annotations

from pathlib import Path

from runner.catalog.tracking import ARTIFACTS, SQLITE, STORE, sqlite_path, sqlite_uri


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
