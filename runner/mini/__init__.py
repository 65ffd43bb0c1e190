"""A small Kandinsky 2.2 family that ships with the project: data, training, weights, judge."""
