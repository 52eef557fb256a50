"""Mail to a real SMTP server."""
