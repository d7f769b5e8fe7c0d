"""Writes what ``render`` made: the archive that readers see."""
