"""The demonstration: the whole way from files to mailbox and archive, on sample content."""
