"""A long run of honest calls beside hostile ones: what grows, what is answered wrongly, how slow.

Knows preopen by its command line and its protocol alone.
"""
