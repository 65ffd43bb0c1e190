"""How the small family in `runner/mini/weights` is trained, and how its pictures are judged."""
