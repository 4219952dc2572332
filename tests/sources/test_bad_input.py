"""Bytes that come from anywhere: odd images, bombs, archives that point outside, names in any script."""

import io
import os
import struct
import tarfile
import unicodedata
import zipfile
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from pipeline import records
from pipeline.sources import Skipped, SourceError, _image, _tree, folder
from pipeline.sources._tree import Tree

RED = np.full((24, 20, 3), (200, 30, 30), np.uint8)


def encoded(image, form, **options):
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def rotated(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = RED.copy()
    picture[:4] = (30, 30, 200)  # a blue strip on top
    return encoded(Image.fromarray(picture), "JPEG", exif=exif, quality=95)


def kinds():
    rgb = Image.fromarray(RED)
    frames = [Image.fromarray(np.roll(RED, i, 2)) for i in range(3)]
    deep = np.full((24, 20, 3), (200 * 257, 30 * 257, 30 * 257), np.uint16)
    return {
        "cmyk.jpg": encoded(rgb.convert("CMYK"), "JPEG", quality=95),
        "grey.jpg": encoded(rgb.convert("L"), "JPEG"),
        "progressive.jpg": encoded(rgb, "JPEG", progressive=True, quality=95),
        "palette.png": encoded(rgb.quantize(8), "PNG"),
        "alpha.png": encoded(rgb.convert("RGBA"), "PNG"),
        "interlaced.png": cv2.imencode(".png", RED[..., ::-1])[1].tobytes(),
        "deep.png": cv2.imencode(".png", deep[..., ::-1])[1].tobytes(),
        "one_bit.png": encoded(rgb.convert("1"), "PNG"),
        "animated.gif": encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]),
        "animated.webp": encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True),
        "lossless.webp": encoded(rgb, "WEBP", lossless=True),
        "lossy.webp": encoded(rgb, "WEBP", quality=95),
        "x.bmp": encoded(rgb, "BMP"),
        "x.ppm": encoded(rgb, "PPM"),
        "x.pgm": b"P2\n# grey\n20 24\n255\n" + b"80 " * 480,
    }


@pytest.mark.parametrize("name", kinds())
def test_every_kind_of_image_is_read_with_its_colours(name):
    data = kinds()[name]
    assert _image.size(data) == (20, 24)
    assert _image.trouble(data) is None
    assert _image.whole_box(data) == (-0.5, -0.5, 20, 24)
    pixel = records.decode(data)[12, 10].astype(int)
    if name.startswith(("grey", "one_bit", "x.pgm")):
        assert len(set(pixel)) == 1
    else:
        assert abs(pixel - RED[0, 0]).max() <= 12, pixel


@pytest.mark.parametrize(
    ("orientation", "shape", "blue"),
    [(1, (24, 20), (1, 10)), (6, (20, 24), (10, 22)), (3, (24, 20), (22, 10))],
)
def test_exif_rotation_is_applied_and_the_box_follows(orientation, shape, blue):
    data = rotated(orientation)
    image = records.decode(data)
    assert image.shape[:2] == shape
    assert image[blue][2] > 150
    assert _image.whole_box(data) == (-0.5, -0.5, shape[1], shape[0])


def giant_png(width, height):
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    pixels = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    "data",
    [
        giant_png(20_000, 20_000),
        giant_png(2**31 - 1, 2**31 - 1),
        b"P5 20000 20000 255\n",
        b"BM" + struct.pack("<I", 60) + bytes(8) + struct.pack("<Iii", 40, 20_000, -20_000) + bytes(34),
        b"GIF89a" + struct.pack("<HH", 60_000, 60_000) + bytes(20),
    ],
)
def test_bombs_never_reach_a_decoder(monkeypatch, data):
    monkeypatch.setattr(records, "decode", lambda data: pytest.fail("decoded"))
    reason = _image.trouble(data)
    assert reason.endswith("pixels, more than 100 million"), reason


def test_a_real_image_of_20000_by_20000(monkeypatch):
    monkeypatch.setattr(records, "decode", lambda data: pytest.fail("decoded"))
    rows = zlib.compress(bytes(20_001) * 200)
    data = giant_png(20_000, 20_000).replace(zlib.compress(bytes(1000)), rows)
    assert _image.trouble(data, "header") == "20000 x 20000 pixels, more than 100 million"


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff\xd8", b"\x89PNG", b"RIFF", b"P5", b"GIF8", b"BM", b"II*\0" * 9, b"\xff\xd8\xff\xff\xff"],
)
def test_starts_of_images(data):
    assert _image.trouble(data) in ("empty file", "truncated image", "not an image, or truncated")


def tar_of(path, members):
    with tarfile.open(path, "w") as file:
        for member, data in members:
            member.size = len(data)
            file.addfile(member, io.BytesIO(data))


@pytest.mark.parametrize("name", ["../../etc/x.jpg", "/etc/x.jpg", "a/../../x.jpg", "a\\..\\..\\x.jpg"])
@pytest.mark.parametrize("form", [".tar", ".zip"])
def test_members_that_point_outside_are_refused(lay, name, form):
    with pytest.raises(
        SourceError, match=r"raw\.(tar|zip): member .* points outside the archive: it is refused"
    ):
        Tree(lay({"a.jpg": b"x", name: b"y"}, form))


def test_links_and_devices_in_a_tar_are_no_files(tmp_path):
    members = []
    for kind, name in ((tarfile.SYMTYPE, "link"), (tarfile.LNKTYPE, "hard"), (tarfile.CHRTYPE, "dev")):
        member = tarfile.TarInfo(f"{name}.jpg")
        member.type, member.linkname = kind, "/etc/passwd"
        members.append((member, b""))
    members.append((tarfile.TarInfo("a.jpg"), b"x"))
    tar_of(tmp_path / "x.tar", members)
    assert Tree(tmp_path / "x.tar").paths == ["a.jpg"]


def test_a_member_without_a_name(tmp_path):
    """Found by fuzzing."""
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as file:
        file.writestr("a", b"x")
        file.writestr("b.jpg", b"x")
    data = (tmp_path / "x.zip").read_bytes()
    at = data.index(b"PK\x01\x02")
    data = data[: at + 28] + b"\0\0" + data[at + 30 : at + 46] + data[at + 47 :]
    end = data.index(b"PK\x05\x06")
    size = int.from_bytes(data[end + 12 : end + 16], "little") - 1
    (tmp_path / "x.zip").write_bytes(data[: end + 12] + size.to_bytes(4, "little") + data[end + 16 :])
    assert Tree(tmp_path / "x.zip").paths == ["b.jpg"]


def test_a_local_name_that_is_no_utf_8(tmp_path):
    """Found by fuzzing: the name before the data is decoded only when the data is read."""
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as file:
        file.writestr("ü.jpg", b"x")
    data = (tmp_path / "x.zip").read_bytes().replace("ü".encode(), b"\xfb\xff", 1)
    (tmp_path / "x.zip").write_bytes(data)
    with pytest.raises(SourceError, match=r"x\.zip: ü\.jpg can't be unpacked"):
        Tree(tmp_path / "x.zip").read("ü.jpg")


def test_links_in_a_zip_are_no_files(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as file:
        link = zipfile.ZipInfo("link.jpg")
        link.external_attr = 0o120777 << 16
        file.writestr(link, "/etc/passwd")
        file.writestr("a.jpg", b"x")
    assert Tree(tmp_path / "x.zip").paths == ["a.jpg"]


@pytest.mark.parametrize("form", [".zip", ".tar.gz"])
def test_decompression_bombs(monkeypatch, tmp_path, lay, form):
    monkeypatch.setattr(_tree, "FREE", 1 << 16)
    raw = lay({"a.jpg": bytes(8 << 20)}, form)
    if form == ".zip":
        with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr("a.jpg", bytes(8 << 20))
    with pytest.raises(SourceError, match=r"raw\.\S+ unpacks to more than \d+ bytes: a decompression bomb"):
        Tree(raw)


def test_a_member_of_a_zip_that_lies_about_its_size(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a.jpg", bytes(5000))
    data = (tmp_path / "x.zip").read_bytes().replace(struct.pack("<I", 5000), struct.pack("<I", 50))
    (tmp_path / "x.zip").write_bytes(data)
    with pytest.raises(SourceError, match=r"x\.zip: a\.jpg (unpacks to more than the 50|can't be unpacked)"):
        Tree(tmp_path / "x.zip").read("a.jpg")


def test_a_large_member(monkeypatch, lay):
    monkeypatch.setattr(_tree, "MAX_MEMBER", 100)
    with pytest.raises(SourceError, match="unpacks to 101 bytes, 100 at most"):
        Tree(lay({"a.jpg": bytes(101)}, ".zip")).read("a.jpg")


@pytest.mark.parametrize("form", [".tar", ".tar.gz", ".zip"])
def test_damaged_archives_are_named(lay, jpeg, form):
    whole = lay({f"{i}.jpg": jpeg(i) for i in range(3)}, form)
    data = whole.read_bytes()
    rng = np.random.default_rng(0)
    for cut in (0, 1, 100, len(data) // 2, len(data)):
        broken = bytearray(data[:cut])
        for at in rng.integers(0, max(1, cut), min(cut, 5)):
            broken[at] = 255 - broken[at]
        whole.write_bytes(broken)
        try:
            tree = Tree(whole)
            for path in tree.paths:
                tree.read(path)
        except SourceError as error:
            assert "raw" in str(error)  # noqa: PT017 - reading what is left is right, too


NAMES = ["Ελένη", "李娜", "محمد", "Zoë", "नेहा", "İbrahim", "O'Brien", "a b", "😀"]


@pytest.mark.parametrize("form", ["folder", ".tar", ".zip"])
def test_names_in_any_script(lay, jpeg, tmp_path, form):
    raw = lay({f"{name}/{name}_0001.jpg": jpeg(i) for i, name in enumerate(NAMES)}, form)
    samples = list(folder.build(folder.Params(), raw, {}).samples())
    assert {s.identity for s in samples} == set(NAMES)
    writer = records.Writer(tmp_path)
    for sample in samples:
        writer.add(sample)
    writer.close({})
    assert set(records.Dataset(tmp_path).frame()["name"]) == set(NAMES)


def test_pairs_of_composed_and_decomposed_names(lay, jpeg):
    apart = unicodedata.normalize("NFD", "Zoë")
    entries = {f"{apart}/{apart}_000{i}.jpg": jpeg(i) for i in (1, 2)} | {"Bo/Bo_0001.jpg": jpeg(3)}
    entries["pairs.txt"] = "1\nZoë\t1\t2\nZoë\t1\tBo\t1\n".encode("utf-8-sig")
    assert len(folder.build(folder.Params(pairs="pairs.txt"), lay(entries), {}).pairs()) == 2


def test_names_that_are_no_utf_8(tmp_path, jpeg):
    place = str(tmp_path / "raw").encode() + b"/\xc0\xee"
    (tmp_path / "raw").mkdir()
    os.mkdir(place)
    with open(place + b"/1.jpg", "wb") as file:
        file.write(jpeg())
    [sample] = folder.build(folder.Params(), tmp_path / "raw", {}).samples()
    assert (sample.sample_id, sample.identity) == ("\\xc0\\xee/1.jpg", "\\xc0\\xee")
    assert sample.sample_id.encode()


def test_names_that_differ_by_case_are_two_samples_and_said(lay, jpeg):
    found = folder.build(folder.Params(), lay({"Al/1.jpg": jpeg(1), "al/1.JPG": jpeg(2)}), {})
    assert [s.identity for s in found.samples()] == ["Al", "al"]
    assert found.about()["names_alike"] == 1


def test_lists_that_are_no_utf_8(lay, jpeg):
    for name, params in (("x.csv", {"list": "x.csv"}), ("x.txt", {"pairs": "x.txt"})):
        raw = lay({"a/1.jpg": jpeg(), name: "path\nZoë/1.jpg\n".encode("latin1")})
        with pytest.raises(SourceError, match=rf"{name} is not UTF-8: .*; save it as UTF-8"):
            folder.build(folder.Params(**params), raw, {})


def test_headers_and_pixels(jpeg):
    """A header can be whole where the pixels are not: `decode` finds it, `header` leaves it to the crop."""
    data = giant_png(20, 24)
    assert _image.trouble(data, "header") is None
    found = _image.sample("x", data, check="decode")
    assert isinstance(found, Skipped) or records.decode(data).shape == (24, 20, 3)
