"""What `modelseal.enforce` puts in the places where models enter a process.

`locate` says which model a path belongs to, `judge` decides about that model and gives out its verified bytes, `gate` is
the one question that every hook asks, `patching` puts hooks in and takes them out, `files`, `libraries` and `hub` are
the hooks.
"""
