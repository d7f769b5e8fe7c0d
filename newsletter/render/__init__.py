"""Pure: a Report becomes a letter (HTML and text) and pages of the archive."""
