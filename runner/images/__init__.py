"""Pictures in and out: decoding, checks, geometry, PNG."""
