"""Runs one statement, and ends: a process of its own, which imports nothing of Agnes.

It is told its socket and where duckdb is installed on the command line; the job and the opened
mirror file arrive on the socket, and the answer leaves on it. By the time the statement is looked
at, the process can open no file and no connection, start nothing, and write nothing.

Imports within this package are relative: here it is a package of telemetry, there a package alone.
"""
