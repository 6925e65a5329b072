"""A small language: sentences of a few words, the same on every call."""

import random

random.seed(5)
animals, verbs = ["cat", "dog", "mouse", "bird"], ["sees", "eats", "likes", "hears"]
for _ in range(400):
    print(f"the {random.choice(animals)} {random.choice(verbs)} the {random.choice(animals)} .")
