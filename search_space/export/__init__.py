"""What leaves the house: a network as one self-contained Python file."""

from search_space.export.standalone import python_source

__all__ = ["python_source"]
