"""
Tests of what decides whether a run with faults went well.
"""
