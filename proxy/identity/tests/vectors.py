"""Writes vectors.json: tokens that PyJWT made, and attacks on them.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install pyjwt cryptography
    /tmp/venv/bin/python proxy/identity/tests/vectors.py

All keys are thrown away: the private ones are not written anywhere, and the shared secret is one of
tests and of nothing else. Each attack names the reason that it has to be refused for.
"""

import base64
import datetime
import hashlib
import hmac
import json
import pathlib
import zlib

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric import utils as asymmetric

NOW = 1_730_882_977
LEEWAY = 30
SECRET = b"throw-away test secret, thrown away test secret, throw-away test"
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
CLAIMS = {
    "iss": "https://issuer.example",
    "aud": "shop",
    "sub": "alice",
    "jti": "token-1",
    "iat": NOW - 60,
    "nbf": NOW - 60,
    "exp": NOW + 600,
    "scope": "orders:read orders:write",
    "realm_access": {"roles": ["buyer", "clerk"]},
}


def encode(data):
    if isinstance(data, dict):
        data = json.dumps(data, separators=(",", ":"))
    if isinstance(data, str):
        data = data.encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value, length=None):
    return encode(value.to_bytes(length or (value.bit_length() + 7) // 8, "big"))


KEYS = {
    "rsa-1": rsa.generate_private_key(65537, 2048),
    "rsa-2": rsa.generate_private_key(65537, 3072),
    "p256": ec.generate_private_key(ec.SECP256R1()),
    "p384": ec.generate_private_key(ec.SECP384R1()),
    "p521": ec.generate_private_key(ec.SECP521R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate(),
    "retired": ec.generate_private_key(ec.SECP256R1()),
}
STRANGER = ec.generate_private_key(ec.SECP256R1())
KID_OF = {"RS": "rsa-1", "PS": "rsa-2", "ES256": "p256", "ES384": "p384", "ES512": "p521"}


def kid_of(alg):
    return KID_OF.get(alg) or KID_OF.get(alg[:2]) or {"EdDSA": "ed25519"}.get(alg, "hmac")


def jwk(kid, key, **more):
    key = key.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        values = key.public_numbers()
        members = {"kty": "RSA", "n": number(values.n), "e": number(values.e)}
    elif isinstance(key, ec.EllipticCurvePublicKey):
        values, length = key.public_numbers(), (key.key_size + 7) // 8
        members = {
            "kty": "EC",
            "crv": {256: "P-256", 384: "P-384", 521: "P-521"}[key.key_size],
            "x": number(values.x, length),
            "y": number(values.y, length),
        }
    else:
        raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        members = {"kty": "OKP", "crv": "Ed25519", "x": encode(raw)}
    return {"kid": kid, "use": "sig"} | members | more


def pem(key):
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def certificate(key):
    """Of one day, long ago."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "throw-away test certificate")])
    start = datetime.datetime(2020, 1, 1)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1).not_valid_before(start)
    signed = builder.not_valid_after(start + datetime.timedelta(days=1)).sign(key, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM)


def sign(alg, claims=CLAIMS, headers=None, key=None):
    key = key or (SECRET if alg.startswith("HS") else KEYS[kid_of(alg)])
    headers = {"kid": kid_of(alg)} | (headers or {})
    return jwt.encode(claims, key, algorithm=alg, headers=headers)


def es256(signed, key=None):
    der = (key or KEYS["p256"]).sign(signed.encode(), ec.ECDSA(hashes.SHA256()))
    return asymmetric.decode_dss_signature(der)


def raw(header, claims=CLAIMS, key=None):
    """An ES256 signature over whatever the parts are, which PyJWT would not make."""
    signed = f"{encode(header)}.{encode(claims)}"
    return f"{signed}.{pair(*es256(signed, key))}"


def pair(r, s):
    return encode(r.to_bytes(32, "big") + s.to_bytes(32, "big"))


def mac(header, secret, claims=CLAIMS, digest=hashlib.sha256):
    signed = f"{encode(header)}.{encode(claims)}"
    return f"{signed}.{encode(hmac.new(secret, signed.encode(), digest).digest())}"


ES = {"alg": "ES256", "typ": "JWT", "kid": "p256"}


def valid():
    for alg in "RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA HS256 HS384 HS512".split():
        yield alg, sign(alg)
    yield "at+jwt", sign("ES256", headers={"typ": "at+jwt"})
    yield "application/at+JWT", sign("ES256", headers={"typ": "application/at+JWT"})
    yield "no typ", raw({"alg": "ES256", "kid": "p256"})
    yield "no kid", raw({"alg": "ES256"})
    yield "aud is a list", sign("ES256", CLAIMS | {"aud": ["other", "shop"]})
    yield "scp is a list", sign("ES256", without("scope") | {"scp": ["orders:read"]})
    yield "exp with a fraction", sign("ES256", CLAIMS | {"exp": NOW + 0.5})
    yield "exp within the leeway", sign("ES256", CLAIMS | {"exp": NOW - LEEWAY + 1})
    yield "nbf at the end of the leeway", sign("ES256", CLAIMS | {"nbf": NOW + LEEWAY})
    yield "iat at the end of the leeway", sign("ES256", CLAIMS | {"iat": NOW + LEEWAY})
    yield "no iat, no nbf", sign("ES256", without("iat", "nbf"))
    yield "the smaller s", low_s(high=False)
    yield "the larger s", low_s(high=True)
    # Its key is known: that the header names others is of no account.
    for name in ("jku", "x5u"):
        yield f"{name} beside a known key", raw(ES | {name: "https://attacker.example/keys"})
    yield "jwk beside a known key", raw(ES | {"jwk": jwk("x", STRANGER)})


def without(*names):
    return {name: value for name, value in CLAIMS.items() if name not in names}


def low_s(high):
    signed = f"{encode(ES)}.{encode(CLAIMS)}"
    r, s = es256(signed)
    other = P256_ORDER - s
    return f"{signed}.{pair(r, max(s, other) if high else min(s, other))}"


def attacks():
    yield from algorithms()
    yield from keys()
    yield from forms()
    yield from signatures()
    yield from claims()


def algorithms():
    for alg in ("none", "None", "NONE", "nOnE", ""):
        unsigned = f"{encode({'alg': alg, 'typ': 'JWT'})}.{encode(CLAIMS)}."
        yield f"alg {alg!r} without a signature", unsigned, "algorithm"
        yield f"alg {alg!r} with one", raw(ES | {"alg": alg}), "algorithm"
    yield "alg absent", raw({"typ": "JWT", "kid": "p256"}), "algorithm"
    yield "alg null", raw(ES | {"alg": None}), "algorithm"
    yield "alg unknown", raw(ES | {"alg": "ES256K"}), "algorithm"
    for kid, alg, digest in (
        ("rsa-1", "HS256", hashlib.sha256),
        ("rsa-1", "HS512", hashlib.sha512),
        ("p256", "HS256", hashlib.sha256),
    ):
        for what, secret in (
            ("PEM", pem(KEYS[kid])),
            ("PEM without its last line break", pem(KEYS[kid]).rstrip()),
            ("DER", der(KEYS[kid])),
            ("JSON", json.dumps(jwk(kid, KEYS[kid])).encode()),
        ):
            name = f"{alg} with the public key {kid} in {what} as its secret"
            yield name, mac({"alg": alg, "kid": kid}, secret, digest=digest), "algorithm"
            yield f"{name}, no kid", mac({"alg": alg}, secret, digest=digest), "bad_signature"
    yield "another algorithm than its key's alg", sign("RS384", headers={"kid": "rsa-256"}), "algorithm"
    yield "ES256 with the name of an RSA key", raw(ES | {"kid": "rsa-1"}), "algorithm"
    yield "RS256 signed as PS256", renamed("PS256", "RS256"), "bad_signature"
    yield "PS256 signed as RS256", renamed("RS256", "PS256"), "bad_signature"
    yield "PS256 with another length of salt", salted(20), "bad_signature"
    yield "RS256 by SHA-1", sha1(), "bad_signature"


def der(key):
    return key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def renamed(made_as, called):
    """What is signed says `called`; the signature is `made_as`."""
    key = KEYS["rsa-1"]
    signed = f"{encode({'alg': called, 'kid': 'rsa-1'})}.{encode(CLAIMS)}"
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    scheme = pss if made_as == "PS256" else padding.PKCS1v15()
    return f"{signed}.{encode(key.sign(signed.encode(), scheme, hashes.SHA256()))}"


def salted(length):
    signed = f"{encode({'alg': 'PS256', 'kid': 'rsa-1'})}.{encode(CLAIMS)}"
    scheme = padding.PSS(padding.MGF1(hashes.SHA256()), length)
    return f"{signed}.{encode(KEYS['rsa-1'].sign(signed.encode(), scheme, hashes.SHA256()))}"


def sha1():
    signed = f"{encode({'alg': 'RS256', 'kid': 'rsa-1'})}.{encode(CLAIMS)}"
    signature = KEYS["rsa-1"].sign(signed.encode(), padding.PKCS1v15(), hashes.SHA1())
    return f"{signed}.{encode(signature)}"


def keys():
    for kid in ("", "../../../../dev/null", "/dev/null", "' UNION SELECT 'key' --", "p256\x00", "P256"):
        secretless = mac({"alg": "HS256", "kid": kid}, b"")
        yield f"kid {kid!r} and an empty secret", secretless, "unknown_key"
        yield f"kid {kid!r}", raw(ES | {"kid": kid}), "unknown_key"
    yield "kid of 600 bytes", raw(ES | {"kid": "k" * 600}), "malformed"
    yield "kid is a number", raw(ES | {"kid": 1}), "malformed"
    yield "kid is a list", raw(ES | {"kid": ["p256"]}), "malformed"
    yield "a retired key", raw(ES | {"kid": "retired"}, key=KEYS["retired"]), "unknown_key"
    embedded = {
        "jwk": jwk("own", STRANGER),
        "jku": "https://attacker.example/jwks.json",
        "x5u": "https://attacker.example/certificate.pem",
        "x5c": ["MIIB"],
    }
    for name, value in embedded.items():
        own = {"alg": "ES256", "kid": "own", name: value}
        yield f"{name} of its own, kid of its own", raw(own, key=STRANGER), "unknown_key"
        known = ES | {name: value}
        yield f"{name} of its own, kid of ours", raw(known, key=STRANGER), "bad_signature"
        nameless = {"alg": "ES256", name: value}
        yield f"{name} of its own, no kid", raw(nameless, key=STRANGER), "bad_signature"
    yield "a stranger's key", raw(ES, key=STRANGER), "bad_signature"


def forms():
    yield "crit unknown", raw(ES | {"crit": ["x"], "x": 1}), "critical"
    yield "crit empty", raw(ES | {"crit": []}), "critical"
    yield "crit of a registered name", raw(ES | {"crit": ["exp"]}), "critical"
    yield "b64 false and critical", unencoded(ES | {"b64": False, "crit": ["b64"]}), "critical"
    yield "b64 false", unencoded(ES | {"b64": False}), "critical"
    yield "encrypted", f"{encode({'alg': 'dir', 'enc': 'A128GCM'})}..AAAA.AAAA.AAAA", "malformed"
    yield "a header of encryption", raw(ES | {"enc": "A128GCM"}), "malformed"
    yield "zip", raw(ES | {"zip": "DEF"}, zlib.compress(json.dumps(CLAIMS).encode())), "malformed"
    yield "compressed", raw(ES, zlib.compress(json.dumps(CLAIMS).encode())), "malformed"
    yield "alg twice", raw('{"alg":"ES256","alg":"none","kid":"p256"}'), "malformed"
    yield "a header that is no object", raw('["ES256"]'), "malformed"
    yield "nested", raw(ES | {"cty": "JWT"}, sign("ES256")), "malformed"
    yield "JSON serialisation", json.dumps({"payload": encode(CLAIMS), "signatures": []}), "malformed"
    good = sign("ES256")
    yield "padded", good + "=", "malformed"
    yield "a space before it", " " + good, "malformed"
    yield "a line break after it", good + "\n", "malformed"
    yield "a fourth part", good + ".", "malformed"
    yield "no signature part", good.rsplit(".", 1)[0], "malformed"
    yield "over 16 KiB", raw(ES, CLAIMS | {"x": "x" * 13_000}), "too_large"
    yield "a header over 8 KiB", raw(ES | {"x5c": ["M" * 9_000]}), "too_large"
    yield "claims 20 deep", raw(ES, deep(20)), "malformed"
    yield "3000 values", raw(ES, CLAIMS | {"x": [0] * 3000}), "malformed"


def unencoded(header):
    signed = f"{encode(header)}.{json.dumps(CLAIMS, separators=(',', ':'))}"
    signed_by = pair(*es256(signed))
    return f"{encode(header)}.{encode(CLAIMS)}.{signed_by}"


def deep(levels):
    value = 1
    for _ in range(levels):
        value = {"a": value}
    return CLAIMS | {"a": value}


def signatures():
    good = sign("ES256")
    signed, signature = good.rsplit(".", 1)
    yield "no signature", f"{signed}.", "bad_signature"
    decoded = base64.urlsafe_b64decode(signature + "==")
    for length in (1, 32, 63):
        yield f"signature trimmed to {length} bytes", f"{signed}.{encode(decoded[:length])}", "bad_signature"
    between = decoded[:32] + bytes(1) + decoded[32:]
    yield "a zero between r and s", f"{signed}.{encode(between)}", "bad_signature"
    yield "a zero of s left out", short_s(), "bad_signature"
    yield "signature with a byte more", f"{signed}.{encode(decoded + bytes(1))}", "bad_signature"
    r, s = int.from_bytes(decoded[:32], "big"), int.from_bytes(decoded[32:], "big")
    for name, values in {
        "r and s zero": (0, 0),
        "r zero": (0, s),
        "s zero": (r, 0),
        "r and s the order": (P256_ORDER, P256_ORDER),
        "r and s one": (1, 1),
        "r and s exchanged": (s, r),
    }.items():
        yield name, f"{signed}.{pair(*values)}", "bad_signature"
    if r + P256_ORDER < 1 << 256:
        yield "r plus the order", f"{signed}.{pair(r + P256_ORDER, s)}", "bad_signature"
    if s + P256_ORDER < 1 << 256:
        yield "s plus the order", f"{signed}.{pair(r, s + P256_ORDER)}", "bad_signature"
    asn1 = asymmetric.encode_dss_signature(r, s)
    yield "signature in DER", f"{signed}.{encode(asn1)}", "bad_signature"
    yield "the last bits of the signature", f"{signed}.{twin(signature)}", "malformed"
    other = sign("ES256", CLAIMS | {"sub": "mallory"})
    head, body, _ = other.split(".")
    yield "another token's signature", f"{head}.{body}.{signature}", "bad_signature"
    rs = sign("RS256")
    yield "RS256 trimmed", rs[:-2], "bad_signature"
    yield "RS256 with a zero before it", longer(rs), "bad_signature"
    ed = sign("EdDSA")
    yield "EdDSA trimmed", ed[:-2], "bad_signature"
    yield "EdDSA with s plus the order", ed_malleable(ed), "bad_signature"
    hs = sign("HS256")
    yield "HS256 trimmed", hs[:-3], "bad_signature"
    yield "HS256 empty", hs.rsplit(".", 1)[0] + ".", "bad_signature"


def short_s():
    """The same numbers in fewer bytes."""
    signed = f"{encode(ES)}.{encode(CLAIMS)}"
    r, s = P256_ORDER, P256_ORDER
    while s >= 1 << 248:
        r, s = es256(signed)
    return f"{signed}.{encode(r.to_bytes(32, 'big') + s.to_bytes(31, 'big'))}"


def twin(text):
    """Other text of the same bytes, for a decoder that does not mind."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return text[:-1] + alphabet[alphabet.index(text[-1]) ^ 1]


def longer(token):
    signed, signature = token.rsplit(".", 1)
    return f"{signed}.{encode(bytes(1) + base64.urlsafe_b64decode(signature + '=='))}"


def ed_malleable(token):
    order = 2**252 + 27742317777372353535851937790883648493
    signed, signature = token.rsplit(".", 1)
    decoded = base64.urlsafe_b64decode(signature + "==")
    s = int.from_bytes(decoded[32:], "little") + order
    return f"{signed}.{encode(decoded[:32] + s.to_bytes(32, 'little'))}"


def claims():
    def changed(**new):
        return raw(ES, CLAIMS | new)

    for kind in ("refresh+jwt", "rt+jwt", "logout+jwt", "dpop+jwt", "id+jwt", ""):
        yield f"typ {kind!r}", raw(ES | {"typ": kind}), "type"
    yield "aud of another", changed(aud="bank"), "audience"
    yield "aud absent", raw(ES, without("aud")), "audience"
    yield "aud empty", changed(aud=[]), "audience"
    yield "aud with more behind it", changed(aud="shop/"), "audience"
    yield "an ID token, whose aud is its client", changed(aud="web-app", nonce="n"), "audience"
    yield "aud with a number", changed(aud=["shop", 1]), "malformed"
    yield "iss of another", changed(iss="https://other.example"), "issuer"
    yield "iss absent", raw(ES, without("iss")), "issuer"
    yield "iss with a slash more", changed(iss="https://issuer.example/"), "issuer"
    yield "iss in capitals", changed(iss="https://ISSUER.example"), "issuer"
    yield "iss is a list", changed(iss=["https://issuer.example"]), "malformed"
    yield "exp at the end of the leeway", changed(exp=NOW - LEEWAY), "expired"
    yield "exp long over", changed(exp=1), "expired"
    yield "exp zero", changed(exp=0), "expired"
    yield "exp absent", raw(ES, without("exp")), "malformed"
    for value in ("9999999999", None, True, [], -1, 1e300, 253_402_300_800, 2**64):
        yield f"exp {value!r}", changed(exp=value), "malformed"
    yield "exp 1e400", raw(ES, json.dumps(CLAIMS).replace(str(NOW + 600), "1e400")), "malformed"
    yield "exp NaN", raw(ES, json.dumps(CLAIMS).replace(str(NOW + 600), "NaN")), "malformed"
    yield "nbf after the leeway", changed(nbf=NOW + LEEWAY + 1), "not_yet"
    yield "nbf a fraction after the leeway", changed(nbf=NOW + LEEWAY + 0.5), "not_yet"
    yield "iat after the leeway", changed(iat=NOW + LEEWAY + 1), "not_yet"
    yield "exp twice", raw(ES, doubled("exp", 1)), "malformed"
    yield "aud twice, once escaped", raw(ES, doubled("a\\u0075d", '"bank"')), "malformed"
    yield "a name twice inside a claim", raw(ES, doubled("x", '{"a":1,"a":2}')), "malformed"
    yield "claims that are a list", raw(ES, "[]"), "malformed"
    yield "claims not in UTF-8", raw(ES, b'{"sub":"\xff"}'), "malformed"
    yield "two objects", raw(ES, json.dumps(CLAIMS) + "{}"), "malformed"


def doubled(name, value):
    return f'{json.dumps(CLAIMS)[:-1]},"{name}":{value}}}'


def main():
    listed = [jwk(kid, key) for kid, key in KEYS.items() if kid != "retired"]
    listed.append(jwk("rsa-256", KEYS["rsa-1"], alg="RS256"))
    vectors = {
        "note": "Made by vectors.py. All keys are test keys that were thrown away.",
        "now": NOW,
        "leeway": LEEWAY,
        "secret": SECRET.decode(),
        "jwks": {"keys": listed},
        "pem": {kid: pem(key).decode() for kid, key in KEYS.items()},
        "certificate": certificate(KEYS["p256"]).decode(),
        "valid": [{"name": name, "token": token} for name, token in valid()],
        "attacks": [
            {"name": name, "token": token, "refused": refused} for name, token, refused in attacks()
        ],
    }
    path = pathlib.Path(__file__).with_name("vectors.json")
    path.write_text(json.dumps(vectors, indent=1, ensure_ascii=True) + "\n")
    print(len(vectors["valid"]), "valid,", len(vectors["attacks"]), "attacks")


main()
