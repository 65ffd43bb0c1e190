"""Live models: load, scheduler, attention, offload, compile, and what is read back from them."""
