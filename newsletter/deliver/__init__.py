"""From compiled bytes to the relay: one letter for each delivery, and the reply written down at once."""
