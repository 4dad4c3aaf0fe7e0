"""What the programs of docs/metaflow.md have beside what they show."""

from my_operators import Scale

make_features = Scale(2.0)


def training_loop(features):
    """Not called: the page shows a class."""
    raise NotImplementedError(features)
