"""Data, training and scoring on a worker. Import its modules by name: not all of them need torch."""
