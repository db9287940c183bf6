"""The names of a study's arms: each is a study of its own, called `STUDY.name`."""

CONTROL = "control"  # searches at random with the same budget
FINALISTS = "finalists"  # trains the best again
FIT = "fit"  # measures scaled variants of the winner
GRID = "grid"  # the same, by the paper's grid
SWEEP = "sweep"  # scales one dimension alone
LONGER = "longer"  # trains some networks of the fit for longer: how far may it be trusted?
GROW = "grow"  # trains the family
ARMS = (CONTROL, FINALISTS, FIT, GRID, SWEEP, LONGER, GROW)
