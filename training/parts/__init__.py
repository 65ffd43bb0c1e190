"""One module for each part of the family that is trained, and what several of them share."""
