"""Bytes -> Header and Image. The only pixel decoder of the project: training and service both call it."""

from models.decode.decoder import decode, read_header, sniff, stored_values
from models.decode.image import Format, Header, Image, Limits, Patient, Side

__all__ = ["Format", "Header", "Image", "Limits", "Patient", "Side", "decode", "read_header", "sniff", "stored_values"]
