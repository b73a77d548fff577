"""The rules of a sound model, one small function each; verify.py lists and runs them.

A rule's docstring is its text, as people read it. A rule looks at a model that passed the
structure check and nothing else: it must not raise when another rule is broken.
"""
