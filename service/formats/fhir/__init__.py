"""The answer as HL7 FHIR R4 (4.0.1), in the JSON that R4B reads as well. Knows nothing of HTTP.

A transaction Bundle: one DiagnosticReport (preliminary), the Device that computed it, and Observations. No Condition: nothing here is a
diagnosis. No Patient: a Prediction does not know whose it is, and who does adds the `subject` (`addressed`). No Provenance and no
`issued`: both want a time, and the same study must give the same bytes.
"""

from service.formats.fhir.abstention import render_fhir_abstention
from service.formats.fhir.addressed import Address, addressed, token
from service.formats.fhir.bundle import render_fhir

__all__ = ["Address", "addressed", "render_fhir", "render_fhir_abstention", "token"]
