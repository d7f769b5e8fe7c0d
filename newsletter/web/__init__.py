"""What answers over HTTP: the archive's files, and the pages on which people join, choose and leave.

``app`` and what it imports know no database. The pages of people (``people`` and below) call ``subscriptions``, which
has the rules; none of them opens the store itself.
"""
