"""Who signed a server's certificate, also where this machine does not trust it; and whom the public trusts."""

from __future__ import annotations

from collections.abc import Iterator

#: Object identifiers of a name's parts (RFC 5280): organisation 2.5.4.10, common name 2.5.4.3.
_ORGANISATION = b"\x55\x04\x0a"
_COMMON_NAME = b"\x55\x04\x03"

#: Tag of the version, which may be missing.
_VERSION = 0xA0

#: Programs and devices that open TLS connections on the way, by what their certificates' issuer is called.
_INTERCEPTORS = {
    "zscaler": "Zscaler",
    "netskope": "Netskope",
    "fortinet": "Fortinet",
    "fortigate": "Fortinet",
    "palo alto": "Palo Alto Networks",
    "globalprotect": "Palo Alto Networks",
    "blue coat": "Blue Coat (Symantec)",
    "bluecoat": "Blue Coat (Symantec)",
    "cisco umbrella": "Cisco Umbrella",
    "opendns": "Cisco Umbrella",
    "forcepoint": "Forcepoint",
    "websense": "Forcepoint",
    "mcafee web gateway": "McAfee Web Gateway",
    "skyhigh": "Skyhigh",
    "check point": "Check Point",
    "sophos": "Sophos",
    "barracuda": "Barracuda",
    "sonicwall": "SonicWall",
    "watchguard": "WatchGuard",
    "untangle": "Untangle",
    "cato networks": "Cato Networks",
    "cloudflare gateway": "Cloudflare Gateway",
    "cloudflare for teams": "Cloudflare Gateway",
    "sangfor": "Sangfor",
    "深信服": "Sangfor",
    "qianxin": "Qi An Xin",
    "kaspersky": "Kaspersky",
    "avast": "Avast",
    "avg technologies": "AVG",
    "eset ssl": "ESET",
    "bitdefender": "Bitdefender",
    "dr.web": "Dr.Web",
    "adguard": "AdGuard",
    "fiddler": "Fiddler",
    "charles proxy": "Charles",
    "mitmproxy": "mitmproxy",
    "portswigger": "Burp Suite",
    "steamcommunity302": "Watt Toolkit",
    "watt toolkit": "Watt Toolkit",
}

#: Beginnings of the names under which public authorities sign (Mozilla's CA programme, and their resellers).
_PUBLIC = (
    "actalis amazon apple asseco beijing|xinchacha buypass certainly certigna certum cfca china|financial "
    "cloudflare comodo cpanel cybertrust d-trust digicert dnspod e-commerce|monitoring entrust gandi "
    "geant geotrust globalsign godaddy google hellenic|academic harica identrust "
    "internet|security|research|group internet2 itruschina let's|encrypt microsoft naver|cloud "
    "network|solutions quovadis rapidssl sectigo secom security|communication ssl|corp ssl.com sslcorp "
    "starfield swisssign t-systems telia thawte trustasia trustcor trustwave trustico unizeto usertrust "
    "verokey wotrus xin|net zerossl global|digital|cybersecurity"
)
_PUBLIC_NAMES = tuple(name.replace("|", " ") for name in _PUBLIC.split())


def issuer_of(certificate: bytes) -> str:
    """The issuer's organisation, or else its common name, from a certificate in DER; empty where it is none."""
    names: dict[bytes, str] = {}
    try:
        (_tag, whole), *_rest = _parts(certificate)
        (_tag, signed), *_rest = _parts(whole)
        fields = [field for field in _parts(signed) if field[0] != _VERSION]
        _kind, issuer = fields[2]  # after the serial number and the signature's algorithm
        for _set, one in _parts(issuer):
            for _sequence, pair in _parts(one):
                (_kind, identifier), (_text, value), *_rest = _parts(pair)
                names[identifier] = value.decode("utf-8", errors="replace")
    except (IndexError, ValueError):
        return ""
    return names.get(_ORGANISATION) or names.get(_COMMON_NAME, "")


def interceptor(issuer: str) -> str:
    """The product that opens connections under this issuer's name; empty where none is known."""
    lower = issuer.casefold()
    return next((product for word, product in _INTERCEPTORS.items() if word in lower), "")


def is_public(issuer: str) -> bool:
    """Whether the name is one that public authorities sign under."""
    return issuer.casefold().lstrip("\"'( ").startswith(_PUBLIC_NAMES)


def _parts(encoded: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and content of each element, one after the other (X.690, definite lengths)."""
    place = 0
    while place < len(encoded):
        tag, length = encoded[place], encoded[place + 1]
        place += 2
        if length & 0x80:
            count = length & 0x7F
            length = int.from_bytes(encoded[place : place + count], "big")
            place += count
        if place + length > len(encoded):
            raise ValueError("cut off")
        yield tag, encoded[place : place + length]
        place += length
