"""The simulated patients' names and wards: for the ground truth, not for the messages."""

from typing import NamedTuple

from faker import Faker

_PATIENTS_A_WARD = 8


class Person(NamedTuple):
    """Who a patient is, and where they lie."""

    name: str
    ward: str


def people(patients: int, seed: int | None) -> list[Person]:
    """So many people; neighbours share a ward, and no two wards have one name."""
    fake = Faker()
    fake.seed_instance(seed)
    wards = [
        f"{fake.last_name()} {number}"
        for number in range(1, 2 + (patients - 1) // _PATIENTS_A_WARD)
    ]
    return [Person(fake.name(), wards[row // _PATIENTS_A_WARD]) for row in range(patients)]
