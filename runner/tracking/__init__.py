"""Delivers records to MLflow, through a spool on disk and a separate writer process.

runner process                              writer process (`python -m runner.tracking.writer`)
  RunLog -> TrackingSession -> Spool -------> reads on as lines come -> delivery -> MLflow
                records.jsonl, runner.lock  writer.lock, delivered.json, runs.jsonl

The writer is started at once, so that MLflow's imports and migrations overlap with the model's.
A slow or absent server delays nothing; what it did not take is delivered later (`sync`).
"""
