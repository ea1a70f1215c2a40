"""
Where everything is put together, and what is run.

Here are the roots of composition: the primary, the child that becomes a
worker, the twistd plugin with its options, and the command line.  They choose
which object is given to which, and translate options to settings; whatever
can be tested without starting a program belongs further down.
"""
