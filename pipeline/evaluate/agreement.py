"""How alike a student and its teacher are on faces that neither was trained on (thesis, Tables 4.3 and 4.5).

    cosine   mean of <r_T, r_S>
    l2       mean of |r_T - r_S|^2         = 2 (1 - cosine)
    kl       mean of KL(p_T || p_S)        p = softmax(s cos) of each one's own classifier, T = 1

r: unit embeddings, the student's after the connector. kl is there where both have a classifier of the same
classes: it compares how the two see a stranger among the people of the training set.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from pipeline.evaluate.embed import Images, embed
from pipeline.model import Model
from pipeline.runtime import Runtime


def agreement(
    student: Float[Tensor, "n e"],
    teacher: Float[Tensor, "n e"],
    logits: tuple[Float[Tensor, "n c"], Float[Tensor, "n c"]] | None = None,
) -> dict[str, float]:
    """`student` has the teacher's size; `logits` are the student's and the teacher's, without margin."""
    if student.shape != teacher.shape:
        raise ValueError(
            f"student {tuple(student.shape)} and teacher {tuple(teacher.shape)} must have one shape"
        )
    cosine = float(cosine_similarity(student.double(), teacher.double()).mean())
    found = {"cosine": cosine, "l2": 2.0 * (1.0 - cosine)}
    if logits is not None:
        q, p = (torch.log_softmax(value.double(), 1) for value in logits)
        found["kl"] = float((p.exp() * (p - q)).sum(1).mean())
    return found


def compare(
    student: Model, teacher: Model, connector: nn.Module, faces: Images, runtime: Runtime
) -> dict[str, float]:
    """`agreement` on `faces`; `connector` brings the student's embedding to the teacher's size."""
    mine, theirs = (
        torch.from_numpy(embed(net.recogniser, faces, runtime)[:, 0]) for net in (student, teacher)
    )
    with torch.no_grad():
        logits = None
        if student.head is not None and teacher.head is not None and student.classes == teacher.classes:
            logits = student.head.cpu().classify(mine), teacher.head.cpu().classify(theirs)
        return agreement(connector.cpu()(mine), theirs, logits)
