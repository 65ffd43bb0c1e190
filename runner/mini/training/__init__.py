"""How the small family is trained: one module a part, one loop for all of them."""
