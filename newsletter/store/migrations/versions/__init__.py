"""One file per step, named v<number>_<what it does>."""
