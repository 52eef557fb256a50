"""The doctor: whether everything that the service asks of other machines is there, found out by trying it.

Law: what is asked of a machine, and how the answer is read, stands in one module per subject; judging is pure, and
gets what was seen as an argument.  "Could not look" is a verdict of its own and never becomes "all is well".  A fault
names the line that mends it.  Whatever is changed for a trial is put back before the doctor ends, however it ends.
The way to other machines is the services' own: the same key, host keys, texts and drivers.
"""
