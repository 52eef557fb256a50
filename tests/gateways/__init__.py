"""Gateways of the sandbox cluster, as those see them who connect from outside; nothing faked."""
