"""What is kept of a run: folder, manifest, MLflow log, provenance, progress."""
