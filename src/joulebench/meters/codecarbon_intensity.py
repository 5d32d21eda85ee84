"""The carbon intensity of a country's electricity, as CodeCarbon's own data and code have it."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from typing import Any

from joulebench.errors import UsageError


@dataclass(frozen=True, slots=True)
class Intensity:
    """How much carbon dioxide a place emits for its electricity, CO2 equivalent.

    Args:
        kg_per_kwh: Mean over the year, kg/kWh.
        country: Name of the country.
        country_iso_code: Its ISO 3166-1 alpha-3 code.
        region: Region within it; ``None`` for the whole country.
        source: Where the figure is from, with its year where CodeCarbon tells it.
    """

    kg_per_kwh: float
    country: str
    country_iso_code: str
    region: str | None
    source: str


def find_intensity(country_iso_code: str, region: str | None) -> Intensity:
    """Look a place up in the data that CodeCarbon brings along; nothing is asked of a network.

    Raises:
        UsageError: CodeCarbon has no figure of the country or the region.
    """
    countries = import_module("codecarbon.input").DataSource().get_global_energy_mix_data()
    code = country_iso_code.upper()
    if code not in countries:
        raise _unknown_country(country_iso_code, countries)
    found = countries[code]
    whole = _kg_per_kwh(code, None)
    kg_per_kwh = whole if region is None else _kg_per_kwh(code, region.lower())
    if region is not None and kg_per_kwh == whole:
        raise UsageError(
            f"meter 'codecarbon': region = {region!r} is none of {code} that CodeCarbon has "
            "figures of (states of USA, provinces of CAN and CHN, zones such as SE3 of SWE, NOR "
            "and FIN); leave it out to take the whole country's"
        )
    version = import_module("codecarbon").__version__
    of = f"{region}, {code}" if region else f"{code} in {found['year']}"
    source = f"CodeCarbon {version}, mean of the electricity of {of}"
    return Intensity(kg_per_kwh, found["country_name"], code, region, source)


def _kg_per_kwh(code: str, region: str | None) -> float:
    """Ask CodeCarbon what it takes one kilowatt-hour to emit, kg."""
    place: Any = import_module("codecarbon.external.geography").GeoMetadata(
        country_iso_code=code, region=region
    )
    one_kwh = import_module("codecarbon.core.units").Energy.from_energy(kWh=1.0)
    data = import_module("codecarbon.input").DataSource()
    engine = import_module("codecarbon.core.emissions").Emissions(data)
    return float(engine.get_private_infra_emissions(one_kwh, place))


def _unknown_country(code: str, countries: dict[str, Any]) -> UsageError:
    near = [_code_of(code), *get_close_matches(code.upper(), countries, n=1, cutoff=0.5)]
    known = [each for each in near if each in countries]
    hint = f": did you mean {known[0]!r}?" if known else ";"
    return UsageError(
        f"meter 'codecarbon': country_iso_code = {code!r} is no country that CodeCarbon has "
        f"figures of{hint} give three letters (ISO 3166-1 alpha-3), for example NLD, DEU or USA"
    )


def _code_of(name: str) -> str:
    """Give the three letters of a country that is named otherwise: ``"NL"``, ``"Netherlands"``."""
    try:
        # A package that CodeCarbon needs itself.
        return str(import_module("pycountry").countries.lookup(name).alpha_3)
    except (ImportError, LookupError):
        return ""
