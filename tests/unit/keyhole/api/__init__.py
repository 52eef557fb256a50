"""The keyhole's API over its wire, with records in memory."""
