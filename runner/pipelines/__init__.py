"""Live models: loading, scheduler, attention, offload, compilation, and reading settings back."""
