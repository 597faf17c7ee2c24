"""The answer as HL7 FHIR R4 (4.0.1), in the JSON that R4B reads as well. Knows nothing of HTTP.

A transaction Bundle: one DiagnosticReport (preliminary), the Device that computed it, and Observations. No Condition: nothing here is a
diagnosis. No Patient: a Prediction does not know whose it is, and `subject` is left to who does. No Provenance and no `issued`: both want
a time, and the same study must give the same bytes.
"""

from service.formats.fhir.bundle import render_fhir

__all__ = ["render_fhir"]
