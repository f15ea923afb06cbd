"""A simulated cohort in BIDS: names of files, sidecars and tables of the raw dataset, and of the truth beside it."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..base.contrasts import BIDS_SUFFIX
from ..base.text_files import write_json
from .cohort import Cohort, SubjectPlan
from .scanner import Scanner

PULSE_SEQUENCE = {
    "mprage": "MPRAGE",
    "spgr": "spoiled gradient echo",
    "se": "spin echo",
    "tse": "turbo spin echo",
    "flair": "inversion recovery turbo spin echo",
}
PARTICIPANT_COLUMNS = {
    "age": {"Description": "Age", "Units": "year"},
    "population": {"Description": "HC healthy control, MS multiple sclerosis, TB mild traumatic brain injury"},
    "lesion_load": {"Description": "Number of MS lesions on a scale from 0, none, to 1, very many"},
    "brain_years": {
        "Description": "Years by which the brain is older than the person, 0 but for patients",
        "Units": "year",
    },
    "head": {"Description": "1 where the images show the whole head, 0 where they are skull-stripped"},
}
SESSION_COLUMNS = {
    "site": {"Description": "Where the scanner stands"},
    "scanner": {"Description": "Name of the scanner, an entry of scanners.json"},
    "manufacturer": {"Description": "Manufacturer of the scanner"},
    "field_strength": {"Description": "Field strength of the scanner", "Units": "T"},
}
README = """Simulated brain MR images: no person was scanned.

Each session is a visit to one scanner and each run a scan in that visit; run 1 of ses-01 is the subject's reference.
All images lie on one 1 mm grid in MNI152 space. Sidecars give the parameters of the simulated acquisition,
`scanners.json` describes the scanners in full.

The truth is in `derivatives/truth`: tissues (1 CSF, 2 grey matter, 3 white matter, 4 lesion), nine regions, masks of
brain and lesions, and the parameters of every subject. `plan.json` there holds the design and the seeds from which all
of it follows.
"""


def image_path(folder: Path, subject: str, session: str, run: int, contrast: str) -> Path:
    """Where the raw dataset keeps an image."""
    name = f"{subject}_{session}_run-{run}_{BIDS_SUFFIX[contrast]}.nii.gz"
    return folder / subject / session / "anat" / name


def sidecar(scanner: Scanner, contrast: str, skull_stripped: bool) -> dict[str, Any]:
    """Return the acquisition parameters under the names that BIDS and dcm2niix give them."""
    protocol = scanner.protocols[contrast]
    inversion = {} if protocol.inversion_time is None else {"InversionTime": protocol.inversion_time}
    return {
        "Modality": "MR",
        "Manufacturer": scanner.manufacturer,
        "MagneticFieldStrength": scanner.field_strength,
        "InstitutionName": scanner.site,
        "StationName": scanner.name,
        "PulseSequenceType": PULSE_SEQUENCE[protocol.sequence],
        "MRAcquisitionType": protocol.acquisition,
        "RepetitionTime": protocol.repetition_time,
        "EchoTime": protocol.echo_time,
        **inversion,
        "FlipAngle": protocol.flip_angle,
        "EchoTrainLength": protocol.echo_train_length,
        "SliceThickness": protocol.slice_mm,
        "AcquisitionVoxelSize": _voxel_size(protocol.in_plane_mm, protocol.slice_mm, protocol.slice_axis),
        "SliceEncodingDirection": "ijk"[protocol.slice_axis],
        "SkullStripped": skull_stripped,
    }


def write_dataset_files(
    folder: Path, cohort: Cohort, design: Mapping[str, Any], generated_by: list[dict[str, str]]
) -> None:
    """Write everything but images and truth; `generated_by` is the BIDS field of that name."""
    dataset = {
        "Name": f"Simulated cohort {cohort.name}",
        "BIDSVersion": "1.9.0",
        "GeneratedBy": generated_by,
    }
    plan = cohort.to_json()
    scanners = plan.pop("scanners")
    truth = folder / "derivatives" / "truth"
    write_json(folder / "dataset_description.json", {**dataset, "DatasetType": "raw"})
    write_json(truth / "dataset_description.json", {**dataset, "DatasetType": "derivative"})
    write_json(truth / "plan.json", {"design": dict(design), **plan})
    write_json(folder / "scanners.json", scanners)
    (folder / "README").write_text(README)
    (folder / ".bidsignore").write_text("scanners.json\n")
    participants = [(s.name, s.age, s.population, s.lesion_load, s.brain_years, int(s.head)) for s in cohort.subjects]
    _write_table(folder / "participants", "participant_id", PARTICIPANT_COLUMNS, participants)
    for subject in cohort.subjects:
        rows = _session_rows(subject, cohort.scanners)
        _write_table(folder / subject.name / f"{subject.name}_sessions", "session_id", SESSION_COLUMNS, rows)


def _voxel_size(in_plane: float, across: float, slice_axis: int) -> list[float]:
    return [across if axis == slice_axis else in_plane for axis in range(3)]


def _session_rows(subject: SubjectPlan, scanners: dict[str, Scanner]) -> Iterable[tuple[object, ...]]:
    for visit in subject.visits:
        scanner = scanners[visit.scanner]
        yield visit.session, scanner.site, scanner.name, scanner.manufacturer, scanner.field_strength


def _write_table(stem: Path, key: str, columns: dict[str, dict[str, str]], rows: Iterable[tuple[object, ...]]) -> None:
    """Write a .tsv and the .json that explains its columns."""
    write_json(stem.with_suffix(".json"), columns)
    lines = ["\t".join(map(str, row)) for row in [(key, *columns), *rows]]
    stem.with_suffix(".tsv").write_text("\n".join(lines) + "\n")
