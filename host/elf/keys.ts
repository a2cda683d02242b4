// Keys as people keep them: PEM or DER files with a private key, a public key or a certificate,
// alone or in a directory. A key's identifier is the SHA-1 of its subject public key (RFC 5280,
// 4.2.1.2, method 1), so that it follows from the private key alone. Requirements A14 (R72-R79).

import {
  createHash,
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  X509Certificate,
} from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { extname, join } from "node:path";
import { EINVAL, ENOENT, EOPNOTSUPP } from "../../assembly/abi.js";
import { FileError } from "./error.js";

export interface VerifyKey {
  readonly file: string;
  readonly key: KeyObject;
  readonly id: Uint8Array;
  /** Common name of the certificate; undefined for a bare public key. */
  readonly name: string | undefined;
  /** The whole certificate or key as DER, as a machine keeps it. */
  readonly der: Uint8Array;
}

const KEY_FILES = new Set([".pem", ".crt", ".cer", ".der"]);

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
  const line = certificate.subject.split("\n").find((part) => part.startsWith("CN="));
  return line?.slice(3);
}

function readPublic(file: string, bytes: Buffer): VerifyKey {
  try {
    const certificate = new X509Certificate(bytes);
    const key = certificate.publicKey;
    const name = commonName(certificate);
    return { file, key, id: keyIdentifier(key), name, der: certificate.raw };
  } catch (error) {
    if (error instanceof FileError) throw error;
  }
  const pem = bytes.includes("-----BEGIN");
  if (pem && /PRIVATE KEY-----/.test(bytes.toString("latin1")))
    throw new FileError(EINVAL, "key-file", `${file} is a private key: it has no place here`);
  try {
    const key = createPublicKey(pem ? bytes : { key: bytes, format: "der", type: "spki" });
    const der = key.export({ type: "spki", format: "der" });
    return { file, key, id: keyIdentifier(key), name: undefined, der };
  } catch (error) {
    if (error instanceof FileError) throw error;
    throw new FileError(EINVAL, "key-file", `${file} is neither a certificate nor a public key`);
  }
}

/** Every certificate and public key of a directory, in the order of their names. */
export function readKeys(directory: string): VerifyKey[] {
  let names: string[];
  try {
    names = readdirSync(directory);
  } catch (error) {
    throw new FileError(ENOENT, "key-file", `${directory}: ${(error as Error).message}`);
  }
  const files = names.filter((name) => KEY_FILES.has(extname(name).toLowerCase())).sort();
  if (files.length === 0)
    throw new FileError(
      ENOENT,
      "key-file",
      `${directory} has no *.pem, *.crt, *.cer or *.der file`,
    );
  return files.map((name) => readPublic(name, readFileSync(join(directory, name))));
}

/** A private RSA key from the bytes of a PEM file. */
export function readPrivateKey(pem: Uint8Array, file: string): KeyObject {
  let key: KeyObject;
  try {
    key = createPrivateKey(Buffer.from(pem));
  } catch (error) {
    throw new FileError(EINVAL, "key-file", `${file}: ${(error as Error).message}`);
  }
  keyIdentifier(key);
  return key;
}
