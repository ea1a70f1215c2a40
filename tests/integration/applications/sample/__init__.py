"""
A sample application in a package.
"""
