"""Programs that run one kind of export each, with that kind's own library and nothing of ours.

They are started by their path in `alone.py`, and never imported: WORDS IMAGES SCORES, two NumPy files.
"""
