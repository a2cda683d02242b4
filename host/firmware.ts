// The firmware that checks payload signatures (RFC R72-R79; requirements A14). The core parses the
// trailer and enforces; the cryptography is the platform's own, and asynchronous: until the answer
// is there UPLOAD gives -EAGAIN. Keys are X.509 certificates or bare public keys; the trailer names
// its key by the SHA-1 of the subject public key (RFC 5280, 4.2.1.2, method 1); accepted are RSA
// PKCS#1 v1.5 with SHA-256, -384, -512. A signer's name can only be that of a certificate.

import * as abi from "./abi.js";

/** What is to be verified. */
export interface SignatureRequest {
  /** HASH_ALGO_* of the trailer. */
  readonly hash: number;
  /** The ELF file: everything before the trailer. */
  readonly data: Uint8Array;
  readonly signature: Uint8Array;
  /** 20 bytes that name the key. */
  readonly keyId: Uint8Array;
  /** The signer's name; empty when the trailer has none. */
  readonly signer: Uint8Array;
  /** The machine's certificates and public keys (SubjectPublicKeyInfo), DER. */
  readonly certificates: readonly Uint8Array[];
}

/** Verifies signatures for a machine. */
export interface Firmware {
  /** 0 when the signature is good, else REASON_SIG_*. Must not throw. */
  verify(request: SignatureRequest): Promise<number>;
}

const HASHES: Readonly<Record<number, string>> = {
  [abi.HASH_ALGO_SHA256]: "sha256",
  [abi.HASH_ALGO_SHA384]: "sha384",
  [abi.HASH_ALGO_SHA512]: "sha512",
};

/** The firmware of this platform: node:crypto. */
export function platformFirmware(): Firmware {
  return {
    async verify({ hash, data, signature, keyId, signer, certificates }) {
      const algorithm = HASHES[hash];
      if (algorithm === undefined) return abi.REASON_SIG_ALGO;
      const crypto = await import("node:crypto");
      const { publicKeyOf } = await import("./elf/keys.js");
      const name = new TextDecoder().decode(signer);
      for (const der of certificates) {
        const known = publicKeyOf(der);
        if (!known || Buffer.compare(known.id, keyId) !== 0) continue;
        if (signer.length > 0 && name !== known.name) continue;
        const { key } = known;
        const padding = crypto.constants.RSA_PKCS1_PADDING;
        const good = await new Promise<boolean>((resolve) => {
          crypto.verify(algorithm, data, { key, padding }, signature, (error, result) =>
            resolve(error === null && result),
          );
        });
        return good ? 0 : abi.REASON_SIG_BAD;
      }
      return abi.REASON_SIG_KEY_UNKNOWN;
    },
  };
}

/**
 * The certificates and public keys of a file, as DER: one in DER form, or any number in PEM form.
 * @param name what the file is called in an error
 * @throws XenError `certificate`
 */
export async function readCertificates(file: Uint8Array, name = "the file"): Promise<Uint8Array[]> {
  const { readPublicKeys } = await import("./elf/keys.js");
  return readPublicKeys(file, name).map(({ der }) => new Uint8Array(der));
}

/** The key store as the core keeps it: each certificate with its length before it. */
export function encodeKeyStore(certificates: readonly Uint8Array[]): Uint8Array {
  const size = certificates.reduce((sum, der) => sum + 4 + der.length, 0);
  const store = new Uint8Array(size);
  const view = new DataView(store.buffer);
  let at = 0;
  for (const der of certificates) {
    view.setUint32(at, der.length, true);
    store.set(der, at + 4);
    at += 4 + der.length;
  }
  return store;
}

/** What is in a key store; what does not fit its own length ends it. */
export function decodeKeyStore(store: Uint8Array): Uint8Array[] {
  const view = new DataView(store.buffer, store.byteOffset, store.byteLength);
  const certificates: Uint8Array[] = [];
  for (let at = 0; at + 4 <= store.length; ) {
    const length = view.getUint32(at, true);
    if (length === 0 || at + 4 + length > store.length) break;
    certificates.push(store.slice(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return certificates;
}
