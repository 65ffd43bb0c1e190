"""Checkpoints on the Hugging Face hub: found in its local cache, or downloaded into it."""

from __future__ import annotations

import os
from pathlib import Path

from runner.catalog.checkpoint import Checkpoint
from runner.errors import WeightsError


def cached_snapshot(repo: str, revision: str, index: str) -> Path | None:
    """The snapshot folder of a repository in the hub's cache, or None. Does not import the client.

    Args:
        index: the file that a snapshot must have to be accepted.

    The cache's layout: models--<owner>--<name>/{refs/<revision>, snapshots/<commit>/...}.
    Source: https://huggingface.co/docs/huggingface_hub/guides/manage-cache
    """
    home = cache_dir() / f"models--{repo.replace('/', '--')}"
    reference = home / "refs" / revision
    commit = reference.read_text().strip() if reference.is_file() else revision
    snapshot = home / "snapshots" / commit
    return snapshot if (snapshot / index).exists() else None


def cache_dir() -> Path:
    """The cache folder of the hub's client, from the same variables in the same order."""
    if explicit := os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE"):
        return Path(explicit).expanduser()
    default = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")) / "huggingface"
    return Path(os.environ.get("HF_HOME", default)).expanduser() / "hub"


def download_snapshot(
    repo: str, revision: str, variant: str | None, key: str, checkpoint: Checkpoint
) -> Path:
    """Fetch a repository's configs and safetensors. Returns its snapshot folder.

    Raises:
        WeightsError: no network, no such repository or revision, or no access to it.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    weights = f"*.{variant}*.safetensors" if variant else "*.safetensors"
    # Without a variant, do not fetch the half-precision copies.
    ignored = [] if variant else ["*.fp16*.safetensors", "*.bf16*.safetensors"]
    instead = f"weights=<folder that holds {checkpoint.folder}>, or weights=mini"
    try:
        snapshot = snapshot_download(
            repo,
            revision=revision,
            allow_patterns=["*.json", "*.txt", "*.model", weights],
            ignore_patterns=[*ignored, *(f"{part}/*" for part in checkpoint.without)],
        )
    except GatedRepoError as error:
        raise WeightsError(
            key, repo, "is gated: accept its terms on the hub and log in", instead
        ) from error
    except RepositoryNotFoundError as error:
        raise WeightsError(key, repo, "is not on the hub, or not open to you", instead) from error
    except RevisionNotFoundError as error:
        raise WeightsError(
            key.replace(".repo", ".revision"), revision, f"is no revision of {repo}"
        ) from error
    except HFValidationError as error:
        raise WeightsError(key, repo, f"is no name of a repository: {error}", instead) from error
    except (HfHubHTTPError, OSError) as error:
        reason = str(error).strip().splitlines()[0][:160] if str(error).strip() else repr(error)
        raise WeightsError(
            key,
            repo,
            f"is not on this disk (looked in {cache_dir()}) and the hub cannot be reached: "
            f"{type(error).__name__}: {reason}",
            instead,
        ) from error
    return Path(snapshot)
