"""What the trained family draws, and a judge that reads it from the pixels."""
