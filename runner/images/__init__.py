"""Reading and writing pictures: decoding, checks, geometry, PNG."""
