"""Records runs: folder, manifest, MLflow log and provenance; shows their progress."""
