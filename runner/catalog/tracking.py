"""Where MLflow keeps runs: a row for each scheme of an address that it takes.

Source: `mlflow.tracking._tracking_service.utils` and `mlflow.store.db.db_types` of MLflow 3.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

SQLITE = "sqlite:///"
STORE, ARTIFACTS = "mlflow.db", "mlartifacts"
"""In an output folder: its own store, and the folder of that store's artifacts."""
SCHEME = re.compile(r"([A-Za-z][\w.-]*)(\+\w+)?:")


@dataclass(frozen=True)
class TrackingStore:
    """A kind of store.

    Attributes:
        scheme: the address's, without the driver (`postgresql+psycopg`).
        form: an address, as an example.
        database: opened by SQLAlchemy, with a driver; else a server, which decides where
            artifacts go.
        port: of its server, where the address names none; None: no server, or no fixed port.
        settings: environment variables of which one is needed, and a file that does instead.
    """

    scheme: str
    form: str
    database: bool = False
    port: int | None = None
    settings: tuple[str, ...] = ()
    settings_file: str | None = None


STORES: Mapping[str, TrackingStore] = {
    store.scheme: store
    for store in (
        TrackingStore("sqlite", "sqlite:///FILE", database=True),
        TrackingStore("http", "http://HOST:PORT", port=80),
        TrackingStore("https", "https://HOST", port=443),
        TrackingStore("postgresql", "postgresql://HOST/DATABASE", database=True, port=5432),
        TrackingStore("mysql", "mysql://HOST/DATABASE", database=True, port=3306),
        TrackingStore("mssql", "mssql://HOST/DATABASE", database=True),
        TrackingStore(
            "databricks", "databricks",
            settings=("DATABRICKS_HOST", "DATABRICKS_CONFIG_FILE", "DATABRICKS_RUNTIME_VERSION"),
            settings_file="~/.databrickscfg",
        ),
    )
}  # fmt: skip

FOLDERS = ("", "file")
"""Schemes of a folder, which MLflow 3 takes only where a variable allows it."""
FOLDERS_ALLOWED = "MLFLOW_ALLOW_FILE_STORE"

PLUGINS = "mlflow.tracking_store"
"""Entry points by which packages add schemes."""


def scheme_of(uri: str) -> str:
    """An address's scheme, without a driver; `databricks` stands alone."""
    scheme = SCHEME.match(uri)
    if scheme is not None:
        return scheme[1].lower()
    return uri if uri in STORES and STORES[uri].form == uri else ""


def is_server(uri: str) -> bool:
    """Whether a server decides where artifacts go."""
    store = STORES.get(scheme_of(uri))
    return store is not None and not store.database


def sqlite_uri(path: Path) -> str:
    """The address of a sqlite file. In it ? begins a query, and %20 means a space."""
    if not {"%", "?", "#"} & {*str(path)}:
        return f"{SQLITE}{path}"
    # Also the slashes: MLflow makes the folders of an address before it is unquoted.
    return SQLITE + quote(str(path), safe="")


def sqlite_path(uri: str) -> Path | None:
    """The file of a sqlite store; None for any other, also for sqlite's own addresses: MLflow
    would make a folder `file:`.
    """
    if not uri.startswith(SQLITE) or uri.startswith(f"{SQLITE}file:"):
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
