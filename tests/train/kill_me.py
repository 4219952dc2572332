"""A training to be killed: python kill_me.py FOLDER; writes FOLDER/final.pt when it ends."""

import sys
from pathlib import Path

import torch

from pipeline import files
from pipeline.train.checkpoint import Checkpoints
from pipeline.train.loop import fit
from pipeline.train.schedule import Schedule
from tests.train.tiny import Classes, Net, two_streams


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    torch.set_deterministic_debug_mode("error")
    torch.manual_seed(0)
    net, objective = Net(), Classes(6)
    curves = fit(
        net,
        objective,
        two_streams(folder, workers=1),
        epochs=30,
        schedule=Schedule(lr=0.05),
        checkpoints=Checkpoints(folder / "ckpt", "f", every=0.02),
        seed=1,
    )
    state = {"net": net.state_dict(), "objective": objective.state_dict(), "curves": curves}
    files.write_with(folder / "final.pt", lambda file: torch.save(state, file))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
