"""Trains the base model: make_base.py DATA OUT STEPS RATE SEED"""

import sys

import tiny_model

data, out, steps, rate, seed = sys.argv[1:]
weights = tiny_model.new(int(seed))
first, last = tiny_model.train(weights, tiny_model.read_text(data), int(steps), float(rate), int(seed))
card = """---
license: apache-2.0
datasets:
- example/proverbs
---
# tiny-base

Says the next character of a proverb.
"""
tiny_model.save(out, weights, card)
print(f"base: {steps} steps, loss {first:.3f} -> {last:.3f}")
