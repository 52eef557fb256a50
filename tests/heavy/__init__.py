"""What is too large for ``make test``: whole machines, long runs."""
