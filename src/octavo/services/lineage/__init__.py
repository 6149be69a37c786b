"""What came of what: from a prediction back to bytes of a file, and from a batch forward.

Nothing of it is stored for its own sake: the catalog's rows name each other, predictions name the
positions that they saw, and raw rows their batch. `graph` holds what is found, `records` what the
catalog says, `back` and `forward` walk it; `sight` says what a prediction could see, and `uses`
turns that around; `traced` is the door.
"""
