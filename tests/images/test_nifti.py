import gzip
import hashlib
import logging
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from scripts.base.errors import InputError
from scripts.images.nifti import image_sha256, read_image, read_nifti

from .little_image import AFFINE, SHAPE, VOXELS, save


def with_header(path: Path, **fields: Any) -> Path:
    """An uncompressed image whose header fields are then overwritten in place, which nibabel would not allow."""
    save(path)
    header = nibabel.Nifti1Header(path.read_bytes()[:348])
    for name, value in fields.items():
        header.structarr[name] = value
    path.write_bytes(header.binaryblock + path.read_bytes()[348:])
    return path


@pytest.mark.parametrize("name", ["image.nii.gz", "image.nii", "IMAGE.NII.GZ"])
def test_voxels_affine_and_hash_are_those_of_the_file(tmp_path, name):
    path = save(tmp_path / name)
    image = read_image(path)
    assert image.voxels.dtype == np.float32 and image.voxels.flags.writeable
    np.testing.assert_array_equal(image.voxels, VOXELS)
    np.testing.assert_array_equal(image.affine, AFFINE)
    assert (image.path, image.sha256) == (path, hashlib.sha256(path.read_bytes()).hexdigest())


@pytest.mark.parametrize(
    "dtype", [np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.float64, ">i2", ">f4"]
)
def test_every_real_type_and_byte_order_is_read(tmp_path, dtype):
    path = tmp_path / "image.nii.gz"
    header = nibabel.Nifti1Header(endianness=">" if np.dtype(dtype).byteorder == ">" else "<")
    nibabel.save(nibabel.Nifti1Image(VOXELS.astype(dtype), AFFINE, header, dtype=np.dtype(dtype)), path)
    np.testing.assert_array_equal(read_image(path).voxels, VOXELS)


def test_scaled_integers_are_read_as_their_true_values(tmp_path):
    path = with_header(tmp_path / "image.nii", datatype=4, bitpix=16, scl_slope=0.5, scl_inter=10)
    path.write_bytes(path.read_bytes()[:352] + VOXELS.astype("<i2").tobytes(order="F"))
    np.testing.assert_array_equal(read_image(path).voxels, 0.5 * VOXELS + 10)


@pytest.mark.parametrize("kind", [nibabel.Nifti1Pair, nibabel.Nifti2Pair])
@pytest.mark.parametrize("name", ["image.img", "image.hdr", "image.img.gz"])
def test_a_pair_is_read_by_either_name(tmp_path, kind, name):
    image = read_image(save(tmp_path / name, kind=kind))
    np.testing.assert_array_equal(image.voxels, VOXELS)
    np.testing.assert_array_equal(image.affine, AFFINE)
    halves = [next(tmp_path.glob(pattern)).read_bytes() for pattern in ("*.hdr*", "*.img*")]
    assert image.sha256 == hashlib.sha256(b"".join(halves)).hexdigest()


def test_nifti2_several_gzip_members_and_header_extensions_are_read(tmp_path):
    image = nibabel.Nifti2Image(VOXELS, AFFINE)
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"a long comment" * 20))
    content = image.to_bytes()
    path = tmp_path / "image.nii.gz"
    path.write_bytes(gzip.compress(content[:800]) + gzip.compress(content[800:]))
    np.testing.assert_array_equal(read_image(path).voxels, VOXELS)


@pytest.mark.parametrize("trailing", [(1,), (1, 1)])
def test_one_volume_in_four_dimensions_is_that_volume(tmp_path, trailing):
    path = save(tmp_path / "image.nii.gz", VOXELS.reshape(*SHAPE, *trailing))
    np.testing.assert_array_equal(read_image(path).voxels, VOXELS)


def make_text(path: Path) -> None:
    path.write_text("subject,age\n" * 200)


def make_png(path: Path) -> None:
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(1000))


def make_mgz(path: Path) -> None:
    path.write_bytes(gzip.compress(nibabel.MGHImage(VOXELS, AFFINE).to_bytes()))


def make_analyze(path: Path) -> None:
    path.write_bytes(nibabel.AnalyzeImage(VOXELS, np.eye(4)).header.binaryblock)


def make_dicom(path: Path) -> None:
    path.write_bytes(bytes(128) + b"DICM" + bytes(500))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def flip_a_bit(path: Path) -> None:
    save(path, np.random.default_rng(0).random(SHAPE, np.float32))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


CONVERT = "convert it first: DICOM for instance with dcm2niix, .mgz with mri_convert"


@pytest.mark.parametrize(
    ("name", "damage", "words"),
    [
        ("a.nii.gz", Path.unlink, "a.nii.gz does not exist"),
        ("a.nii.gz", lambda p: p.write_bytes(b""), r"a.nii.gz is empty \(0 bytes\)"),
        ("a.nii.gz", make_text, f"a.nii.gz must be a readable NIfTI file, but has no NIfTI header; {CONVERT}"),
        ("a.nii", make_png, "must be a readable NIfTI file, but has no NIfTI header"),
        ("a.nii", make_mgz, "must be a readable NIfTI file, but has no NIfTI header"),
        ("a.nii", make_analyze, "must be a readable NIfTI file, but has no NIfTI header"),
        ("a.nii", make_dicom, f"a.nii must be NIfTI, but is DICOM; {CONVERT}"),
        ("a.nii", cut, "a.nii is truncated: it must hold 1192 bytes, it holds 1092"),
        ("a.nii.gz", cut, "a.nii.gz is truncated or damaged: its gzip stream has no end"),
        ("a.nii.gz", flip_a_bit, "a.nii.gz is truncated or damaged: "),
        ("a.nii.gz", lambda p: p.write_bytes(p.read_bytes()[:30]), "is truncated or damaged"),
        ("a.hdr", lambda p: p.with_suffix(".img").unlink(), "a.img cannot be read: .*No such file"),
    ],
)
def test_files_that_are_no_whole_nifti_image_are_refused(tmp_path, name, damage, words):
    path = save(tmp_path / name, kind=nibabel.Nifti1Pair if name == "a.hdr" else nibabel.Nifti1Image)
    damage(path)
    with pytest.raises(InputError, match=words):
        read_image(path)


@pytest.mark.parametrize("name", ["slice.dcm", "SLICE.IMA"])
def test_dicom_names_and_folders_are_refused_with_a_hint(tmp_path, name):
    (tmp_path / name).write_bytes(bytes(1000))
    with pytest.raises(InputError, match=f"{name} must be NIfTI, but is DICOM; {CONVERT}"):
        read_image(tmp_path / name)
    with pytest.raises(InputError, match=f" is a folder; if it holds DICOM files, {CONVERT}"):
        read_image(tmp_path)


COLOR = np.zeros(SHAPE, [("R", "u1"), ("G", "u1"), ("B", "u1")])
CLIPPED = np.where(VOXELS == 100, -np.inf, VOXELS)
CLIPPED[0, 0, :2] = np.nan


@pytest.mark.parametrize(
    ("voxels", "words"),
    [
        (VOXELS[0], r"must be one 3D volume, its shape is \(6, 7\)"),
        (VOXELS[:, :, :1], r"must be one 3D volume, its shape is \(5, 6, 1\)"),
        (np.stack([VOXELS, VOXELS], axis=3), r"must be one 3D volume, its shape is \(5, 6, 7, 2\)"),
        (COLOR, "must hold one real number per voxel, its type is .*'R'"),
        (VOXELS.astype(np.complex64), "must hold one real number per voxel, its type is complex64"),
        (CLIPPED, "must be finite, 3 voxels are not: set them to 0 if they are background"),
        (np.full(SHAPE, 1e39), r"must have its brightest voxel from 1e-32 to 1e\+36, where single precision holds it"),
        (np.zeros(SHAPE, np.int16), "must not be constant, it is 0 everywhere"),
        (np.full(SHAPE, 7, np.int16), "must not be constant, it is 7 everywhere"),
        (VOXELS - 105, r"must be a magnitude image, but 50.5% of its intensity is negative \(at most 5.0% are"),
    ],
)
def test_values_that_are_no_mr_image_are_refused(tmp_path, voxels, words):
    path = save(tmp_path / "image.nii.gz", voxels)
    with pytest.raises(InputError, match=f"image file {path} {words}"):
        read_image(path)


def test_a_few_negative_values_become_zero_with_a_warning(tmp_path, caplog):
    path = save(tmp_path / "image.nii.gz", VOXELS - 20)  # 1+...+20 = 210 of 210 + (1+...+189 = 17955): 1.2 %
    with caplog.at_level(logging.WARNING):
        np.testing.assert_array_equal(read_image(path).voxels, np.maximum(VOXELS - 20, 0))
    assert caplog.messages == [f"{path}: 20 negative voxels (0.012 of the intensity) are set to 0"]
    with pytest.raises(InputError, match=r"1.2% of its intensity is negative \(at most 1.0% are"):
        read_image(path, max_negative_share=0.01)
    np.testing.assert_array_equal(read_nifti(path).voxels, VOXELS - 20)


def test_without_sform_and_qform_the_space_is_unknown_and_refused(tmp_path):
    path = with_header(tmp_path / "image.nii", sform_code=0, qform_code=0)
    with pytest.raises(InputError, match="its qform and sform codes are 0, so that left and right are unknown; check"):
        read_image(path)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"srow_x": [0, 0, 0, 10]}, r"must have an invertible affine, it is \[\[0.0, 0.0, 0.0, 10.0\]"),
        ({"srow_x": [0, np.nan, 0, 10]}, r"must have an invertible affine, it is \[\[0.0, nan,"),
        ({"srow_y": [0, 0, 3e5, 10]}, "must have an invertible affine, "),
        (
            {"srow_x": [0, -2e-3, 0, 0], "srow_y": [0, 0, 3e-3, 0], "srow_z": [5e-4, 0, 0, 0]},
            "must have voxels of 0.01 to 100 mm, they are of 0.0005, 0.002, 0.003: its geometry may be in meters or",
        ),
        ({"srow_x": [0, -2, 0, 1e30]}, "must lie within 100000 mm of the origin, its affine is "),
        ({"xyzt_units": 1}, "must have its geometry in mm, its unit is meter"),
        ({"sform_code": 0, "qform_code": 1, "quatern_b": 2}, "must be a readable NIfTI file: w2 should be positive"),
        ({"datatype": 77}, "must be a readable NIfTI file: data code 77 not recognized"),
    ],
)
def test_broken_geometry_and_headers_are_refused(tmp_path, fields, words):
    path = with_header(tmp_path / "image.nii", **fields)
    with pytest.raises(InputError, match=f"image file {path} {words}"):
        read_image(path)


def test_sform_and_qform_that_mirror_each_other_are_refused(tmp_path):
    image = nibabel.Nifti1Image(VOXELS, AFFINE)
    image.set_qform(AFFINE @ np.diag([-1, 1, 1, 1]), 1)
    for code, refused in ((4, True), (1, True), (0, False)):
        image.set_sform(AFFINE, code)
        nibabel.save(image, path := tmp_path / "image.nii")
        if refused:
            with pytest.raises(InputError, match=f"sform and qform of image file {path} must agree about left and"):
                read_image(path)
        else:
            read_image(path)


def test_a_link_to_nothing_is_said_to_be_one(tmp_path):
    (tmp_path / "image.nii.gz").symlink_to(".git/annex/objects/a.nii.gz")
    with pytest.raises(InputError, match="image.nii.gz is a link to a file that is not there; if DataLad keeps it"):
        read_image(tmp_path / "image.nii.gz")


@pytest.mark.parametrize("name", ["image.nii.gz", "image.hdr"])
def test_the_hash_can_be_had_alone(tmp_path, name):
    path = save(tmp_path / name)
    assert image_sha256(path) == read_image(path).sha256


def test_qform_places_an_image_that_has_no_sform(tmp_path):
    image = nibabel.Nifti1Image(VOXELS, None)
    image.set_qform(AFFINE, 1)
    nibabel.save(image, tmp_path / "image.nii.gz")
    np.testing.assert_allclose(read_image(tmp_path / "image.nii.gz").affine, AFFINE, atol=1e-5)


def test_contradicting_sform_and_qform_are_warned_of(tmp_path, caplog):
    image = nibabel.Nifti1Image(VOXELS, AFFINE)
    image.set_sform(AFFINE, 1)
    image.set_qform(AFFINE + 3 * np.eye(4, k=3), 1)
    path = tmp_path / "image.nii.gz"
    nibabel.save(image, path)
    np.testing.assert_array_equal(read_image(path).affine, AFFINE)
    assert caplog.messages == [f"{path}: sform and qform put a corner 3.0 mm apart; the sform is used"]


def test_real_scans_are_read_as_nibabel_reads_them(real_data):
    paths = sorted(real_data.rglob("*.nii.gz"))
    assert len(paths) >= 20
    for path in paths[::3]:
        image, expected = read_nifti(path), nibabel.load(path)
        np.testing.assert_array_equal(image.voxels, np.asarray(expected.dataobj, np.float32))
        np.testing.assert_array_equal(image.affine, expected.affine)


def test_real_skull_stripped_scan_loses_only_its_ringing(real_data, caplog):
    path = real_data / "mni" / "sub-ms07_space-MNI152_desc-brain_T1w.nii.gz"
    assert read_image(path).voxels.min() == 0
    assert caplog.messages == [f"{path}: 2634 negative voxels (5e-05 of the intensity) are set to 0"]
