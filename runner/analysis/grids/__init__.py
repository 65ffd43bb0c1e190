"""Labelled contact sheets: which pictures (shots), their places (layout), their drawing."""
