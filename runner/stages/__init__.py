"""The stages: what each kind of node computes, one module a stage."""
