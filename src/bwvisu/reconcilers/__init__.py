"""Over and over, by the leader only: look, plan, act, write down what was seen.

Law: each pass starts from the whole state, never from the event that woke it, and may be repeated at any
point. Every write carries the leader's epoch; no effect is begun that leadership may not outlive.
Decisions belong to ``planning``, wire formats to ``adapters``.  Loops do not wait for each other.
"""
