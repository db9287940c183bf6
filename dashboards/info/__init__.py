"""What the views say, as numbers: pure functions of records, without any drawing library."""
