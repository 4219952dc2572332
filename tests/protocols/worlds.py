"""A benchmark of templates in memory, with random embeddings of its faces, and slow loops over them."""

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline import records
from pipeline.evaluate.bench import ModelBench

PEOPLE, D = 14, 6


class World:
    """Templates of PEOPLE people: a gallery one and two probes each, of two stills and two frames of a video.

    A distractor each of 12 more people, a single photograph. `faces` are those that are still there.
    """

    def __init__(self, seed=0):
        rng = np.random.default_rng(seed)
        rows = []
        for person in range(PEOPLE):
            for name in ("gallery", "probe_0", "probe_1"):
                rows += [
                    (
                        f"{person}/{name}",
                        f"p{person}",
                        f"{person}/{name}/{k}",
                        f"{person}/{name}/m{min(k, 2)}",
                    )
                    for k in range(4)
                ]
        rows += [(f"d{k}", f"d{k}", f"d{k}/0", f"d{k}/0") for k in range(12)]
        self.templates = pd.DataFrame(rows, columns=["template", "identity", "sample_id", "media"])
        self.templates = self.templates.sample(frac=1, random_state=seed)
        mean = {name: rng.normal(size=D) for name in sorted(set(self.templates["identity"]))}
        self.faces = rng.permutation(self.templates["sample_id"]).tolist()
        who = dict(zip(self.templates["sample_id"], self.templates["identity"], strict=True))
        plain = np.array([mean[who[face]] + 1.2 * rng.normal(size=D) for face in self.faces])
        mirrored = plain + 0.3 * rng.normal(size=plain.shape)
        self.embeddings = np.stack([plain, mirrored], 1).astype(np.float32)
        self.who = dict(zip(self.templates["template"], self.templates["identity"], strict=True))
        self.aside, self.given = [], {}

    def lose(self, face, reason="truncated"):
        """The face was set aside."""
        place = self.faces.index(face)
        del self.faces[place]
        self.embeddings = np.delete(self.embeddings, place, 0)
        self.aside.append((face, reason))

    def give(self, name, rows):
        """Rows of one of `records.LISTS`; pairs of templates without a fold are in fold 0."""
        if name == "template_pairs":
            rows = [row if len(row) == 5 else (row[0], 0, *row[1:]) for row in rows]
        self.given[name] = rows

    def lists(self):
        given = {
            name: pd.DataFrame(rows, columns=records.LISTS[name].names) for name, rows in self.given.items()
        }
        given |= {"templates": self.templates} if given else {}
        return {
            name: pa.Table.from_pandas(frame, records.LISTS[name], preserve_index=False)
            for name, frame in given.items()
        }

    def frame(self, columns):
        return pd.DataFrame({"sample_id": self.faces})

    def set_aside(self):
        return pd.DataFrame(self.aside, columns=["sample_id", "reason"])

    def pooled(self, flip="sum", keep_norm=False):
        """template -> unit vector, by loops."""
        found = {}
        for name in sorted(set(self.templates["template"])):
            mine, whole = self.templates[self.templates["template"] == name], 0
            for media in sorted(set(mine["media"])):
                images = [f for f in mine["sample_id"][mine["media"] == media] if f in self.faces]
                vectors = []
                for face in images:
                    plain, mirrored = self.embeddings[self.faces.index(face)].astype(np.float64)
                    x = {"sum": plain + mirrored, "none": plain, "concat": np.append(plain, mirrored)}[flip]
                    vectors.append(x if keep_norm else x / np.linalg.norm(x))
                whole = whole + (np.mean(vectors, 0) if vectors else 0)
            if np.any(whole):
                found[name] = whole / np.linalg.norm(whole)
        return found


def bench(**worlds):
    """A bench of no model, that knows the worlds' embeddings."""
    made = ModelBench(None, {}, None, None)
    made.__dict__["datasets"] = worlds
    made._embeddings = {name: world.embeddings for name, world in worlds.items()}
    return made


def best_rate(genuine, impostors, rate):
    """The largest share of genuine scores accepted with at most `rate` of the impostors."""
    thresholds = [np.inf, *genuine, *impostors]
    allowed = [t for t in thresholds if np.mean([s >= t for s in impostors]) <= rate + 1e-12]
    return max(np.mean([s >= t for s in genuine]) for t in allowed)
