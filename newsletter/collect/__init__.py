"""What a month can be made of: one module per kind of source."""
