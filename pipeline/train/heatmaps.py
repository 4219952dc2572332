"""Training a landmark net in the same loop: its score maps as outputs, its own loss as the objective."""

from __future__ import annotations

from torch import Tensor, nn

from pipeline.augment import Augment
from pipeline.contracts import Batch, Objective, Outputs
from pipeline.landmarks import LandmarkNet, mirror_points
from pipeline.loader import Faces
from pipeline.train.batches import Batches, Stream

POINTS = "points"  # the extra of a batch: (b, points, 2), pixels of the image
COLUMN = "points68"


class Mapper(nn.Module):
    """A landmark net whose stacks are the maps "0", "1" ... of `Outputs`; the last is the embedding too."""

    def __init__(self, net: LandmarkNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: Tensor) -> Outputs:
        scores = self.net(image)
        maps = {str(stack): score for stack, score in enumerate(scores)}
        return Outputs(embedding=scores[-1].flatten(1), maps=maps)


class Landmarks(Objective):
    """The term "landmarks": the net's own loss over all stacks against the batch's points."""

    def __init__(self, net: LandmarkNet) -> None:
        super().__init__()
        self._net = (net,)  # a tuple is not registered: its parameters are the model's, not the objective's

    def forward(self, batch: Batch, outputs: Outputs) -> dict[str, Tensor]:
        if POINTS not in batch.extras:
            raise ValueError(f"the batch has no {POINTS!r}; a landmark net learns from faces with landmarks")
        scores = [outputs.maps[str(stack)] for stack in range(len(outputs.maps))]
        return {"landmarks": self._net[0].loss(scores, batch.extras[POINTS], batch.image.shape[-1])}


def batches(faces: Faces, batch: int, seed: int, augment: Augment, workers: int) -> Batches:
    """Batches whose points are mirrored with their images."""
    stream = Stream(
        faces,
        batch,
        seed,
        augment,
        extras={POINTS: faces.points(COLUMN)},
        mirror={POINTS: mirror_points},
    )
    return Batches(stream, seed=seed, workers=workers)
