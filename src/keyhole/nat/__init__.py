"""Forwards as a gateway's packet filter: render a wanted set, parse what is there, tell the difference.

Law: pure text in, pure text out, one module per packet filter behind one Protocol.  A driver touches only
the chains or the table that are its own, and renders the whole of them as one transaction; running it is
the reconciler's work.
"""
