"""A converter that can make nothing of what it is given (`runner.catalog.checkpoint.Original`)."""

import sys

print("source=Kandinsky-2-0.pt: is not what was published:\n  missing: time_embed.0.bias, 64")
sys.exit(2)
