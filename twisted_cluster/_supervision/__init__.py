"""
Which workers should start, retire and be replaced, and when.
"""
