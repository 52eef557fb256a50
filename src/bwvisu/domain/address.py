"""How the place is written where something listens."""


def place(host: str, port: int | str) -> str:
    """``host:port``; an IPv6 address stands in brackets (RFC 3986, section 3.2.2)."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
