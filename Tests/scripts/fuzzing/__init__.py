"""Mutations of every kind of input of rdo, and what must hold whatever the input is: see ../fuzz.py."""
