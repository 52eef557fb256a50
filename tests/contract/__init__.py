"""One suite per outside part, run against the real one."""
