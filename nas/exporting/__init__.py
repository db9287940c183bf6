"""What leaves the house: a network as files of other programs, each run there and compared before it is kept."""
