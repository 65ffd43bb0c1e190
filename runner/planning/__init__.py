"""Makes a Plan of a RunConfig and its weights: all checks and all nodes, without torch."""
