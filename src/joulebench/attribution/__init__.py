"""Which request had how much of a device's energy, when it served many at once."""

from joulebench.attribution.activity import Weights
from joulebench.attribution.attribution import Attribution, RequestEnergy, attribute
from joulebench.attribution.stretches import IdlePower

__all__ = ["Attribution", "IdlePower", "RequestEnergy", "Weights", "attribute"]
