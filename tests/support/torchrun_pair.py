"""What `torchrun` starts in a test: a share of a pretraining, without the report; or all of it.

python torchrun_pair.py SUPPORT OUT OBJECTIVE
"""

from __future__ import annotations

import sys
from pathlib import Path


def main(support: str, out: str, objective: str) -> None:
    sys.path.insert(0, support)
    from made_experience import MadeExperience
    from safetensors.torch import save_file

    from als_plugins.pretraining.group import joined
    from als_plugins.pretraining.job import Job
    from als_plugins.pretraining.trainer import Trainer

    config = {"width": 16, "depth": 1, "heads": 2, "patch": 4, "features": 16}
    weights = dict.fromkeys(objective.split(","), 1.0)
    job = Job(
        dataset="-",
        config=config,
        objectives=weights,
        steps=2,
        learning_rate=1e-6,
        batch=16,
        evaluate_every=1,
    )
    with joined() as group:
        trainer = Trainer(job, MadeExperience(), group)
        for clip in trainer.clips():
            trainer.step(clip)
            if trainer.counters.step % job.evaluate_every == 0:
                trainer.evaluate()
        network = trainer.network
        saved = {f"weights/{name}": value for name, value in network.state_dict().items()}
        saved |= {
            f"gradients/{name}": parameter.grad
            for name, parameter in network.named_parameters()
            if parameter.grad is not None
        }
        saved = {name: value.contiguous() for name, value in saved.items()}
        save_file(saved, Path(out) / f"{group.rank}-of-{group.size}.safetensors")


if __name__ == "__main__":
    main(*sys.argv[1:])
