"""What the tests share: a harness that runs the tap as a user does, and an oracle of the truth."""
