"""Pure decisions, parsers and renderings; no process, no network."""
