// Keys as people keep them: PEM or DER files with a private key, a public key or a certificate. A
// key's identifier is the SHA-1 of its subject public key (RFC 5280, 4.2.1.2, method 1), so that
// it follows from the private key alone. Requirements A14 (R72-R79). Forms: RFC 7468 (PEM), RFC
// 5280 (certificate, SubjectPublicKeyInfo), RFC 8017 (RSAPublicKey).

import {
  createHash,
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  X509Certificate,
} from "node:crypto";
import { EINVAL, EOPNOTSUPP } from "../../assembly/abi.js";
import { REASON_CERTIFICATE } from "../../assembly/reasons.js";
import { XenError } from "../error.js";
import { FileError } from "./error.js";

/** What verifies a signature. */
export interface PublicKey {
  readonly key: KeyObject;
  readonly id: Uint8Array;
  /** Common name of the certificate; undefined for a bare public key. */
  readonly name: string | undefined;
  /** The whole certificate, or the SubjectPublicKeyInfo, as a machine keeps it. */
  readonly der: Uint8Array;
}

export interface VerifyKey extends PublicKey {
  readonly file: string;
}

/** SHA-1 of the subject public key's bits. */
export function keyIdentifier(key: KeyObject): Uint8Array {
  if (key.asymmetricKeyType !== "rsa")
    throw new FileError(
      EOPNOTSUPP,
      "sig-algo",
      `${key.asymmetricKeyType} keys are not accepted: RSA`,
    );
  const bits = key.type === "private" ? createPublicKey(key) : key;
  return createHash("sha1")
    .update(bits.export({ type: "pkcs1", format: "der" }))
    .digest();
}

/** The common name of a certificate's subject. */
function commonName(certificate: X509Certificate): string | undefined {
  const line = certificate.subject?.split("\n").find((part) => part.startsWith("CN="));
  return line?.slice("CN=".length);
}

/** What a function gives, or undefined when it throws. */
function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}

/**
 * A certificate or a SubjectPublicKeyInfo, in DER form or as one block of PEM; undefined when it
 * is neither, or its key is not RSA.
 */
export function publicKeyOf(source: Uint8Array | string): PublicKey | undefined {
  const bytes = Buffer.from(source as Uint8Array);
  const certificate = attempt(() => new X509Certificate(bytes));
  const form = typeof source === "string" ? source : { key: bytes, format: "der", type: "spki" };
  const bare = (): KeyObject => createPublicKey(form as Parameters<typeof createPublicKey>[0]);
  const key = certificate ? certificate.publicKey : attempt(bare);
  if (key?.asymmetricKeyType !== "rsa") return undefined;
  return {
    key,
    id: keyIdentifier(key),
    name: certificate && commonName(certificate),
    der: certificate?.raw ?? key.export({ type: "spki", format: "der" }),
  };
}

const PEM = /-----BEGIN ([A-Z0-9 ]+)-----[^-]*-----END \1-----/g;
const PUBLIC = new Set(["CERTIFICATE", "X509 CERTIFICATE", "PUBLIC KEY", "RSA PUBLIC KEY"]);

/**
 * The certificates and public keys of a file: one in DER form, or any number in PEM form.
 * @param file what it is called
 * @throws XenError `certificate`
 */
export function readPublicKeys(bytes: Uint8Array, file: string): VerifyKey[] {
  const refuse = (what: string): never => {
    throw XenError.of(EINVAL, REASON_CERTIFICATE, { name: `${file} ${what}` });
  };
  const blocks = [...Buffer.from(bytes).toString("latin1").matchAll(PEM)];
  const taken = blocks.filter(([, label = ""]) => PUBLIC.has(label)).map(([block]) => block);
  if (taken.length === 0 && blocks.some(([, label]) => label?.endsWith("PRIVATE KEY")))
    refuse("is a private key, which has no place here");
  const sources = taken.length > 0 ? taken : [bytes];
  return sources.map((source) => {
    const key = publicKeyOf(source) ?? refuse("holds no certificate and no public key of RSA");
    return { ...key, file };
  });
}

/** A private RSA key from the bytes of a PEM file. */
export function readPrivateKey(pem: Uint8Array, file: string): KeyObject {
  const key = attempt(() => createPrivateKey(Buffer.from(pem)));
  if (!key) throw new FileError(EINVAL, "key-file", `${file} holds no private key in PEM form`);
  keyIdentifier(key);
  return key;
}
