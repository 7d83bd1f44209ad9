"""Pure computation: the same events always give the same state.

Nothing here opens a file, reads a clock or draws an unseeded number.
"""
