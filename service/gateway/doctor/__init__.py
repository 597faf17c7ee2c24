"""What stands between an archive and this service: each thing is tried, and what fails is said with what to change.

Nothing is stored anywhere: peers are asked which contexts they take (PS3.8 7.1) and left, web addresses are asked what changes nothing.
"""

from service.gateway.doctor.examination import examine
from service.gateway.doctor.finding import Finding

__all__ = ["Finding", "examine"]
