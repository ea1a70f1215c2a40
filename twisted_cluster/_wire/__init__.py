"""
What the primary and a worker say to each other.

Here are the commands, by the direction in which they go, the types of their
arguments, what carries a payload that is larger than one AMP value, and the
channel that turns bytes and descriptors into commands.  What a command
I{does} is not here: each side's links answer them.  A program that speaks
plain L{twisted.protocols.amp} understands every box.
"""
