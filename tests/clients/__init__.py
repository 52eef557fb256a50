"""The API as strangers see it: by its document, by generated clients, by its own examples."""
