"""A folder of Markdown becomes a monthly security report, and an archive that lasts."""

__version__ = "0.1.0"
