"""For every rule of the preflight: what it must find, and what it must leave alone."""
