"""Ed25519 keys of the hub and the signatures of envelopes and of texts that the hub gives away and gets back.

The private key stays in `keys/` with mode 0600 and never leaves the machine; `keys/public/<key_id>.pem`
is what an inspector needs. A rotated key's public half stays, so that old envelopes still verify.
"""

import base64
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from hub_pipelines.audit.tree import leaf, root_and_proofs, root_of
from hub_pipelines.common.canonical import canonical_text, sha256_hex
from hub_pipelines.common.errors import SettingsError
from hub_pipelines.common.files import make_once, sync, write_replacing
from hub_pipelines.submission.model import Envelope, Integrity

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey


_TOGETHER = "envelopes"
_SHA256_BYTES = 32
_AFTER_SIGNATURE = ',"size_bytes":'


class KeyRing:
    """Signs with the current key, verifies with any public key it holds."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._private: Ed25519PrivateKey | None = None
        self._signing_key_id = ""
        self._public: dict[str, Ed25519PublicKey] = {}
        self._genuine: tuple[Ed25519PublicKey, bytes, bytes] | None = None
        """The shared signature that was verified last: envelopes of a group mostly follow each other."""

    def ensure(self, *, begins: bool = True) -> None:
        """Create the signing key of a hub that `begins`. Many processes may try at once; one key wins.

        Raises SettingsError where there was one before, as public keys or an archive tell: with another one in its
        place nobody could tell the hub's own signatures from a stranger's.
        """
        path = self._folder / "signing.pem"
        had_one = not begins or any((self._folder / "public").glob("*.pem"))
        if path.exists():  # asked last: who makes one meanwhile makes its public half after it
            return
        if had_one:
            raise SettingsError(
                f"The signing key {path} is missing, and this hub has signed with one. Is keys/ mounted? Restore it "
                f"from a backup. If it is lost for good, `openssl genpkey -algorithm ed25519 -out {path}` and "
                f"`chmod 600 {path}` make a new one; keep keys/public, so that what was signed before still verifies."
            )
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        sync(self._folder.parent)
        pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        make_once(path, pem, mode=0o600)
        self._publish()

    def sign(self, envelope: Envelope) -> Envelope:
        """The envelope with key id and signature filled in."""
        private = self._signing_key()
        signed_part = {**envelope.signed_part(), "key_id": self._signing_key_id}
        signature = private.sign(canonical_text(signed_part).encode("utf-8"))
        return replace(envelope, key_id=self._signing_key_id, signature=base64.b64encode(signature).decode("ascii"))

    def sign_together(self, envelopes: Sequence[Envelope]) -> list[str]:
        """The envelopes as canonical JSON, with key id and signatures that share one: of the root of a tree over them.

        Each signature reads `index.size.path.signature`: which leaf of how many its envelope is, the digests that lead
        from it to the root (audit/tree.py), and the signature of that. So each is verified without the others.
        """
        if len(envelopes) < 2:
            return [canonical_text(self.sign(one).document()) for one in envelopes]
        private = self._signing_key()
        key_id = self._signing_key_id
        texts = [canonical_text({**one.signed_part(), "key_id": key_id}) for one in envelopes]
        digests = [sha256(one.encode("utf-8")).digest() for one in texts]
        size = len(texts)
        root, paths = root_and_proofs(digests)
        whole = base64.b64encode(private.sign(_of_tree(size, root))).decode("ascii")
        return [
            _with_signature(text, f"{at}.{size}.{_encoded(path)}.{whole}")
            for at, (text, path) in enumerate(zip(texts, paths, strict=True))
        ]

    def verify(self, envelope: Envelope) -> None:
        """Raises Integrity when the signature does not cover the envelope as it is."""
        from cryptography.exceptions import InvalidSignature

        try:
            public = self._public_key(envelope.key_id)
            if "." not in envelope.signature:
                public.verify(_decoded(envelope.signature), _message(envelope))
                return
            signature, message = _together(envelope)
            if (public, signature, message) != self._genuine:
                public.verify(signature, message)
                self._genuine = (public, signature, message)
        except (InvalidSignature, ValueError) as error:
            raise Integrity(
                "The hub's record of this file's arrival does not carry a valid signature.",
                "Ask the hub's operator to find out who changed it.",
            ) from error

    def sign_text(self, purpose: str, text: str) -> tuple[str, str]:
        """Key id and signature of a text. What is signed for one purpose is valid for no other."""
        private = self._signing_key()
        signature = base64.urlsafe_b64encode(private.sign(_purposeful(purpose, text))).decode("ascii")
        return _key_id(private.public_key()), signature

    def verify_text(self, purpose: str, text: str, key_id: str, signature: str) -> None:
        """Raises Integrity when no key of this hub, today's or an earlier one, has signed the text for this purpose."""
        from cryptography.exceptions import InvalidSignature

        try:
            public = self._public_key(key_id)
            public.verify(base64.urlsafe_b64decode(signature.encode("ascii")), _purposeful(purpose, text))
        except (InvalidSignature, ValueError) as error:
            raise Integrity("This text does not carry a valid signature of this hub.", "Ask who made it.") from error

    def current_key_id(self) -> str:
        """Of the key that signs. Raises SettingsError when it can't be read."""
        return _key_id(self._load_private().public_key())

    def _signing_key(self) -> "Ed25519PrivateKey":
        if self._private is None:
            private = self._load_private()
            self._publish()
            self._signing_key_id = _key_id(private.public_key())
            self._private = private
        return self._private

    def _load_private(self) -> "Ed25519PrivateKey":
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        path = self._folder / "signing.pem"
        try:
            key = load_pem_private_key(path.read_bytes(), password=None)
        except (OSError, ValueError) as error:
            raise SettingsError(f"{path} can't be read as a signing key. Restore it from a backup.") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise SettingsError(f"{path} is not an Ed25519 key. Restore the right one from a backup.")
        return key

    def _publish(self) -> None:
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        public = self._load_private().public_key()
        path = self._folder / "public" / f"{_key_id(public)}.pem"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            sync(self._folder)
            pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")
            write_replacing(path, pem, durable=True)

    def _public_key(self, key_id: str) -> "Ed25519PublicKey":
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import load_pem_public_key

        if key_id not in self._public:
            path = self._folder / "public" / f"{key_id}.pem"
            if not key_id.isalnum() or not path.is_file():
                raise ValueError(f"no public key {key_id!r}")
            key = load_pem_public_key(path.read_bytes())
            if not isinstance(key, Ed25519PublicKey) or _key_id(key) != key_id:
                raise ValueError(f"{path} is not the key it is named after")
            self._public[key_id] = key
        return self._public[key_id]


def _key_id(public: "Ed25519PublicKey") -> str:
    return sha256_hex(public.public_bytes_raw())[:16]


def _purposeful(purpose: str, text: str) -> bytes:
    # an envelope's message begins with a brace, so neither is ever taken for the other
    return f"hub {purpose}\n{text}".encode()


def _encoded(path: Sequence[bytes]) -> str:
    return base64.b64encode(b"".join(path)).decode("ascii")


def _together(envelope: Envelope) -> tuple[bytes, bytes]:
    """Signature and signed text of an envelope that was signed together with others. Raises ValueError when what its
    signature says leads nowhere."""
    index, size, path, signature = envelope.signature.split(".")
    digests = _decoded(path)
    steps = [digests[at : at + _SHA256_BYTES] for at in range(0, len(digests), _SHA256_BYTES)]
    at, count = int(index), int(size)
    if (str(at), str(count)) != (index, size):
        raise ValueError("the numbers beside the signature are not written as the hub writes them")
    root = root_of(leaf(sha256(_message(envelope)).digest()), at, count, steps)
    if root is None:
        raise ValueError("the digests beside the signature lead to no root")
    return _decoded(signature), _of_tree(count, root)


def _with_signature(text: str, signature: str) -> str:
    """The canonical JSON of an envelope with its signature in its place, which is before `size_bytes`: what follows
    that name in the text are the sender's names, in which a quote is never without a backslash."""
    before, name, behind = text.rpartition(_AFTER_SIGNATURE)
    return f'{before},"signature":"{signature}"{name}{behind}'


def _decoded(text: str) -> bytes:
    """Raises ValueError for another way of writing the same bytes: one signature has one text."""
    found = base64.b64decode(text)
    if base64.b64encode(found).decode("ascii") != text:
        raise ValueError("the signature is not written as the hub writes it")
    return found


def _of_tree(size: int, root: bytes) -> bytes:
    return _purposeful(_TOGETHER, f"{size} {root.hex()}")


def _message(envelope: Envelope) -> bytes:
    return canonical_text(envelope.signed_part()).encode("utf-8")
