"""Official layouts as data: which files are images, what their names say, which lists stand beside them.

`docs/datasets.md` tells the same for people, with the text or reader that each was built from. Patterns are
matched against the end of a path; groups named as columns of `_list` are read by `_naming`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

JPEG = r"\.(?:jpe?g|JPE?G)"
ANY = r"\.(?:jpe?g|png|gif|bmp|JPE?G|PNG)"
LFW_NAME = r"(?P<identity>[^/]+)_\d{4}"
LFW_IMAGES = rf"(?P<folder>[^/]+)/{LFW_NAME}{ANY}"
BLUFR = r"blufr_lfw_config\.mat"


@dataclass(frozen=True)
class Table:
    """A list with a line an image: its file (by the end of its path), form, key and columns."""

    file: str  # a pattern
    key: str  # the column that names the image
    columns: Mapping[str, tuple[str, ...]]  # ours -> theirs; several are the numbers of an array
    names: tuple[str, ...] = ()  # of the columns, where the file has no line of names
    skip: int = 0  # lines before the names, or before the values
    separator: str = r"\s+"
    by: str = "name"  # what the key is: name, stem or path of the file, identity of the person
    folder: str = ""  # where keys are relative to, with `by` path: the list's own folder is {list}
    needed: bool = False


@dataclass(frozen=True)
class Layout:
    """One dataset as it is handed out."""

    images: str  # a pattern of paths
    source: str  # what it was built from; empty: unverified
    codes: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)  # column -> text -> value
    tables: tuple[Table, ...] = ()
    pairs: str = ""  # a form of `_pairlists`
    lists: tuple[str, ...] = ()  # the files it needs, as patterns
    named: bool = True  # identities are names of people in the world
    others: str = ""  # images that are no samples, and no mistake either
    searches: str = ""  # a form of `_searchlists`
    splits: str = ""  # BLUFR's configuration, a pattern; needed where there are no pairs to read


SURVFACE_PARTS = "(?:gallery|mated_probe|unmated_probe)"
GENDER = {"m": 1, "M": 1, "male": 1, "Male": 1, "f": 0, "F": 0, "female": 0, "Female": 0}
FAIRFACE_AGE = {"0-2": 1, "3-9": 6, "10-19": 14.5, "20-29": 24.5, "30-39": 34.5}
FAIRFACE_AGE |= {"40-49": 44.5, "50-59": 54.5, "60-69": 64.5, "more than 70": 75}
FAIRFACE_RACE = {"Black": 0, "East Asian": 1, "Southeast Asian": 1, "Indian": 2, "Latino_Hispanic": 3}
FAIRFACE_RACE |= {"Middle Eastern": 4, "White": 4}
CFP_LISTS = (r"Protocol/Pair_list_F\.txt", r"Protocol/Pair_list_P\.txt")
POINTS = ("x1", "y1", "x2", "y2", "x3", "y3", "x4", "y4", "x5", "y5")
VGG_POINTS = ("P1X", "P1Y", "P2X", "P2Y", "P3X", "P3Y", "P4X", "P4Y", "P5X", "P5Y")
CELEBA_PARTS = ("lefteye", "righteye", "nose", "leftmouth", "rightmouth")
CELEBA_POINTS = tuple(f"{part}_{axis}" for part in CELEBA_PARTS for axis in "xy")
INSIGHTFACE = "deepinsight/insightface (7fadd42) recognition/_evaluation_"
FACEX = "JDAI-CV/FaceX-Zoo (aa3ecc8) test_protocol/lfw/pairs_parser.py"


def _cfp(kind: str) -> Layout:
    return Layout(
        images=rf"Data/Images/(?P<identity>\d+)/(?:frontal|profile)/\d+{JPEG}",
        source="the devkit's own lists (Protocol/ and its readme)",
        pairs="cfp",
        lists=(*CFP_LISTS, rf"Protocol/Split/{kind}/\d+/(?:same|diff)\.txt"),
        named=False,
    )


def _ijb(name: str) -> Layout:
    points = Table(
        rf"meta/{name}_name_5pts_score\.txt",
        key="name",
        names=("name", *POINTS, "score"),
        columns={"points5": POINTS},
        separator=" ",
        needed=True,
    )
    return Layout(
        images=rf"loose_crop/[^/]+{JPEG}",
        source=f"{INSIGHTFACE}/ijb/ijb_11.py and ijb_1n.py",
        tables=(points,),
        pairs="ijb",
        lists=(rf"meta/{name}_face_tid_mid\.txt", rf"meta/{name}_template_pair_label\.txt"),
        named=False,
    )


LAYOUTS: dict[str, Layout] = {
    "lfw": Layout(
        images=LFW_IMAGES,
        source="the devkit's README, section 3c (http://vis-www.cs.umass.edu/lfw/README.txt)",
        pairs="lfw",
        lists=(r"pairs\.txt",),
        splits=BLUFR,
    ),
    "blufr": Layout(
        images=LFW_IMAGES,
        source="the toolkit's config/lfw and code (http://www.cbsr.ia.ac.cn/users/scliao/projects/blufr/)",
        splits=BLUFR,
    ),
    "cfp_fp": _cfp("FP"),
    "cfp_ff": _cfp("FF"),
    "agedb_30": Layout(
        images=rf"\d+_(?P<identity>[^/]+)_(?P<age>\d+)_(?P<gender>[mf]){JPEG}",
        source=f"{FACEX} (pairs); file names: the devkit's readme",
        codes={"gender": GENDER},
        pairs="agedb",
        lists=(r"\.mat",),
    ),
    "calfw": Layout(
        images=rf"(?P<identity>[^/]+)_\d+{JPEG}", source=FACEX, pairs="halves", lists=(r"pairs_CALFW\.txt",)
    ),
    "cplfw": Layout(
        images=rf"(?P<identity>[^/]+)_\d+{JPEG}", source=FACEX, pairs="halves", lists=(r"pairs_CPLFW\.txt",)
    ),
    "ytf": Layout(
        images=rf"frame_images_DB/(?P<identity>[^/]+)/\d+/\d+\.\d+{JPEG}",
        source="the devkit's README.txt; visym/vipy (1a587c7) vipy/dataset/youtubefaces.py",
        tables=(
            Table(
                r"frame_images_DB/[^/]+\.labeled_faces\.txt",
                key="file",
                names=("file", "_", "cx", "cy", "w", "h", "_1", "_2"),
                columns={"centred_box": ("cx", "cy", "w", "h")},
                separator=",",
                by="path",
                folder="{list}",
            ),
        ),
        pairs="ytf",
        lists=(r"meta_data/meta_and_splits\.mat",),
        others=r"aligned_images_DB/.*",
    ),
    "ijbb": _ijb("ijbb"),
    "ijbc": _ijb("ijbc"),
    "facescrub": Layout(
        images=rf"(?P<identity>[^/]+)/[^/]+_\d+{ANY}",
        source=f"{INSIGHTFACE}/megaface/gen_megaface.py and remove_noises.py",
    ),
    "megaface": Layout(
        images=rf"[^/]+/[^/]+/[^/]+{ANY}",
        source=f"{INSIGHTFACE}/megaface/gen_megaface.py and remove_noises.py",
        named=False,
    ),
    "megaface_facescrub": Layout(
        images=rf"[^/]+/[^/]+{ANY}",
        source=f"the devkit's readme; its lists as {INSIGHTFACE}/megaface reads them",
        searches="megaface",
        lists=(r"facescrub_features_list\.json", r"megaface_features_list\.json_\d+_1"),
    ),
    "survface_train": Layout(
        images=rf"training_set/(?P<identity>\d+)/\d+_cam\d+_\d+{JPEG}", source="", named=False
    ),
    "survface": Layout(
        images=rf"Face_Verification_Test_Set/verification_images/(?P<identity>\d+)_cam\d+_\d+{JPEG}",
        source="",
        pairs="survface",
        lists=(
            r"Face_Verification_Test_Set/positive_pairs_names\.mat",
            r"Face_Verification_Test_Set/negative_pairs_names\.mat",
        ),
        named=False,
        others=r"(?:training_set|Face_Identification_Test_Set)/.*",
    ),
    "survface_1n": Layout(
        images=rf"Face_Identification_Test_Set/{SURVFACE_PARTS}/(?:(?P<identity>\d+)|distractors)_[^/]+{JPEG}",
        source="https://qmul-survface.github.io/protocols.html; lists: as public readers read them",
        searches="survface",
        lists=(
            r"Face_Identification_Test_Set/gallery_img_ID_pairs\.mat",
            r"Face_Identification_Test_Set/mated_probe_img_ID_pairs\.mat",
        ),
        named=False,
        others=r"(?:training_set|Face_Verification_Test_Set)/.*",
    ),
    "vggface2": Layout(
        images=rf"(?P<identity>n\d{{6}})/\d{{4}}_\d{{2}}{JPEG}",
        source="ox-vgg/vgg_face2 (a2bd3b8) samples (test set); lists: unverified",
        codes={"gender": GENDER},
        tables=(
            Table(
                r"identity_meta\.csv",
                key="Class_ID",
                columns={"name": ("Name",), "gender": ("Gender",)},
                separator=r",\s*",
                by="identity",
            ),
            Table(
                r"loose_landmark_(?:train|test)\.csv",
                key="NAME_ID",
                columns={"points5": VGG_POINTS},
                separator=",",
                by="stem",
            ),
            Table(
                r"loose_bb_(?:train|test)\.csv",
                key="NAME_ID",
                columns={"box": ("X", "Y", "W", "H")},
                separator=",",
                by="stem",
            ),
        ),
        named=False,
    ),
    "casia": Layout(images=rf"(?P<identity>\d{{7}})/\d+{JPEG}", source="", named=False),
    "celeba": Layout(
        images=rf"\d{{6}}{ANY}",
        source="pytorch/vision (6578bc4) torchvision/datasets/celeba.py",
        codes={"gender": {"1": 1, "-1": 0}},
        tables=(
            Table(r"identity_CelebA\.txt", key="file", names=("file", "who"), columns={"identity": ("who",)}),
            Table(r"list_attr_celeba\.txt", key="image_id", skip=1, columns={"gender": ("Male",)}),
            Table(
                r"list_landmarks_align_celeba\.txt",
                key="image_id",
                skip=1,
                columns={"points5": CELEBA_POINTS},
            ),
        ),
        named=False,
    ),
    "fairface": Layout(
        images=rf"(?:train|val)/\d+{JPEG}",
        source="columns as read by public readers of fairface_label_train.csv; devkit text has none",
        codes={"age": FAIRFACE_AGE, "gender": GENDER, "race": FAIRFACE_RACE},
        tables=(
            Table(
                r"fairface_label_(?:train|val)\.csv",
                key="file",
                columns={"age": ("age",), "gender": ("gender",), "race": ("race",)},
                separator=",",
                by="path",
                needed=True,
            ),
        ),
        named=False,
    ),
    "utkface": Layout(
        images=rf"(?P<age>\d+)_(?P<gender>\d+)_(?P<race>\d+)_\d+{JPEG}(?:\.chip{JPEG})?",
        source="the dataset's page (https://susanqq.github.io/UTKFace/), and 9,780 of its files",
        codes={"gender": {"0": 1, "1": 0}, "race": {"0": 4, "1": 0, "2": 1, "3": 2, "4": None}},
        named=False,
    ),
}
