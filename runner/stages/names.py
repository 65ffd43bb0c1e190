"""Names of inputs that plans and stages agree on."""

OF_MANY = "image_"
"""Begins the inputs' names of a metric that measures many pictures together."""
