"""Benchmarks: each module has a NAME and `run() -> list[Row]`; `python -m benchmarks NAME` runs one."""
