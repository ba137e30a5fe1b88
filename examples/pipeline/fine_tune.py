"""Trains a base model further on other data: fine_tune.py BASE DATA OUT STEPS RATE SEED"""

import sys

import tiny_model

base, data, out, steps, rate, seed = sys.argv[1:]
weights = tiny_model.load(base)
first, last = tiny_model.train(weights, tiny_model.read_text(data), int(steps), float(rate), int(seed))
card = """---
license: apache-2.0
base_model: example/tiny-base
base_model_relation: finetune
datasets:
- example/support
---
# tiny-support

Answers customers, one character at a time.
"""
tiny_model.save(out, weights, card)
print(f"fine-tune: {steps} steps, loss {first:.3f} -> {last:.3f}")
