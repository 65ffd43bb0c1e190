"""RunConfig and weights to a Plan: every check and every node, without torch."""
