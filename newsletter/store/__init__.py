"""What must not be forgotten: subscribers, mailings, deliveries, feeds and notices, in SQLite or PostgreSQL.

``database`` has the connection, every other module the named queries of one noun. A query takes a Connection first, so
that whoever calls it decides what belongs into one transaction. The store is synchronous.
"""
