"""How far an epoch of training is."""

from ignite.engine import Engine, Events

from ..base.progress import Progress


class EpochProgress:
    """Shows for each epoch of an engine how many iterations are done, and the time that is left."""

    progress: Progress

    def attach(self, engine: Engine) -> None:
        """Follow an engine."""
        engine.add_event_handler(Events.EPOCH_STARTED, self._start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, lambda: self.progress.step())

    def _start(self, engine: Engine) -> None:
        self.progress = Progress(
            f"epoch {engine.state.epoch} of {engine.state.max_epochs}", engine.state.epoch_length or 1
        )
