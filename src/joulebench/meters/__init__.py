"""Sensors: one file a source, all of them :class:`joulebench.meters.meter.Meter`."""
