"""What testdata/generate.py is made of. Same input, same bytes: no clock, no randomness, no dictionary order."""
