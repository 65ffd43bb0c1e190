"""Names that plans and stages agree on."""

MEASURE = "measure"
"""The stage of metrics: what they cost is nobody's question."""

DRAWN_ELSEWHERE = "drawn_elsewhere"
"""The stage of a picture that another engine draws."""

OF_MANY = "image_"
"""Begins the inputs' names of a metric that measures many pictures together."""

BATCHED_PARAM = "batched"
"""Of a node that may be run together with others: its last bits depend on which."""

MEMBER = "members"
"""Of a batch: the parameters in which its members differ."""
