"""A run of Metaflow without anything of ours, and without a tag."""

from metaflow import FlowSpec, step


class TaggedFlow(FlowSpec):
    @step
    def start(self):
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    TaggedFlow()
