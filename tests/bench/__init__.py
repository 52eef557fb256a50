"""How fast it is, against floors and peers that are measured in the same run.  `docs/performance.md` shows the results.

A benchmark is a module with the name of its row of the table, such as ``b02_post``.  Its docstring is the method, in
words for administrators; its coroutine ``measure`` carries it out.  Nothing here is a test: figures are reported, goals
are compared, and a machine that is busy spoils a run without breaking a build.
"""
