"""What answers over HTTP: the archive's files and the pages behind mailed links. Knows no database."""
