"""Shares of a pretraining, without the report, in two processes as `torchrun` has them; or all.

python torchrun_pair.py SUPPORT OUT OBJECTIVE

This process imports everything and forks: `torchrun` itself would import torch a third time.
"""

from __future__ import annotations

import os
import socket
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


def pair(*words: str) -> int:
    """Two processes, told by the variables that `torchrun` sets; returns how the other ended."""
    import torch._dynamo  # noqa: F401 - once for both; every optimizer imports it
    import torch.distributed  # noqa: F401 - once for both

    import als_plugins.pretraining.trainer  # noqa: F401

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    other = os.fork()
    rank = "1" if other == 0 else "0"
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=port, WORLD_SIZE="2")
    os.environ.update(RANK=rank, LOCAL_RANK=rank)
    main(*words)
    return 0 if other == 0 else os.waitstatus_to_exitcode(os.waitpid(other, 0)[1])


if __name__ == "__main__":
    sys.exit(pair(*sys.argv[1:]))
