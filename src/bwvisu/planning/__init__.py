"""What to do: from one snapshot of wanted and seen, and the time, to verbs.

Law: pure functions, no I/O, no clock, no randomness, no memory between calls.  A verb leaves no choice to
whoever carries it out.  If testing a decision needs a mock, the decision is in the wrong file.
"""
