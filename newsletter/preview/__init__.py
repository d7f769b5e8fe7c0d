"""What readers will get, live in the browser while somebody writes: mail, page, and what the preflight finds."""
