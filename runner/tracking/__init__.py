"""MLflow, by way of a spool on disk and a writer process of its own.

runner process                              writer process (`python -m runner.tracking.writer`)
  RunLog -> TrackingSession -> Spool -------> reads on as lines come -> delivery -> MLflow
                records.jsonl, runner.lock  writer.lock, delivered.json, runs.jsonl

The writer is started at once, so that MLflow's imports and migrations overlap with the model's.
A slow or absent server holds up nothing; what it did not take is delivered later (`sync`).
"""
