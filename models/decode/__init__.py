"""Bytes -> Header and Image, or Volume. The only pixel decoder of the project: training and service both call it."""

from models.decode.decoder import decode, read_header, sniff, stored_values
from models.decode.image import Format, Header, Image, Limits, Patient, Side
from models.decode.volume import VOLUME_LIMITS, Volume
from models.decode.volumes import read_volume

__all__ = [
    "VOLUME_LIMITS",
    "Format",
    "Header",
    "Image",
    "Limits",
    "Patient",
    "Side",
    "Volume",
    "decode",
    "read_header",
    "read_volume",
    "sniff",
    "stored_values",
]
