"""Nodes, their keys and the graph as plain data; the table of stages."""
