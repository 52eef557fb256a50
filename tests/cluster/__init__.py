"""The whole system on the sandbox cluster; nothing faked."""
