"""Brings in what exists: texts, web pages, Markdown of other tools, feeds and old reports become files of this site.

``sources`` finds and recognises, one module per kind reads, ``plan`` decides names and pairs and passes everything
through the door, ``shelve`` writes. Nothing is overwritten, and until somebody says ``--write`` nothing is written.
"""
