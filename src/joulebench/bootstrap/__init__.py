"""Sets up a machine that runs trials: what is to be done, what is done already, and doing the rest.

A set-up is a list of steps, each a few lines of shell. What a dry run prints is what a real run
hands to the shell.
"""
