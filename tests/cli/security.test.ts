// A machine that accepts signed payloads only (R72-R79), and one with an access policy (R80,
// R81): through the commands, with the key pair of tests/cli/keys, which exists for this test
// alone.

import assert from "node:assert/strict";
import { createPublicKey, generateKeyPairSync } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { inRoot } from "../support/root.js";
import { payload, Session, scratch } from "./support.js";

const KEYS = inRoot("tests", "cli", "keys");
const KEY = inRoot("tests", "cli", "keys", "author.key");

interface Answer {
  readonly code: number;
  readonly error: { readonly errno: string; readonly reason: string } | undefined;
}

async function ask(s: Session, ...args: string[]): Promise<Answer> {
  const { code, value } = await s.json(...args);
  return { code, error: (value as { error?: Answer["error"] } | null)?.error };
}

describe("R72, R79: only signed payloads", () => {
  const s = new Session(scratch());
  const signed = s.file("signed.xsplice");

  before(async () => {
    const booted = await ask(s, "boot", "--require-signature", "--keys", KEYS);
    assert.equal(booted.code, 0);
    const options = ["--key", KEY, "--signer", "author", "-o", signed];
    assert.equal((await ask(s, "sign", payload("xsa125"), ...options)).code, 0);
  });

  test("an unsigned one is refused: -ENODATA, sig-missing", async () => {
    const { code, error } = await ask(s, "upload", "a", payload("xsa125"));
    assert.deepEqual([code, error?.errno, error?.reason], [1, "ENODATA", "sig-missing"]);
  });

  test("a signed one goes the whole way", async () => {
    for (const step of [
      ["upload", "s", signed],
      ["check", "s"],
      ["apply", "s"],
      ["revert", "s"],
    ])
      assert.equal((await ask(s, ...step)).code, 0, step[0]);
    assert.equal((await ask(s, "unload", "s")).code, 0);
  });

  test("verify-signature and the machine agree on every kind of damage", async () => {
    const good = readFileSync(signed);
    const trailer = readFileSync(payload("xsa125")).length;
    const rows: [number, string][] = [
      [200, "sig-bad"],
      [trailer, "sig-format"],
      [trailer + 28, "sig-algo"],
      [trailer + 29, "sig-bad"], // SHA-384 instead of SHA-256
      [trailer + 30, "sig-format"],
      [trailer + 33, "sig-format"],
      [trailer + 45, "sig-bad"],
      [good.length - 10, "sig-key-unknown"],
      [good.length - 1, "sig-key-unknown"], // the signer's name
    ];
    for (const [at, reason] of rows) {
      const bytes = Buffer.from(good);
      bytes[at] = (bytes[at] as number) ^ 1;
      const file = s.file("damaged");
      writeFileSync(file, bytes);
      const offline = await ask(s, "verify-signature", file, "--keys", KEYS);
      const machine = await ask(s, "upload", "d", file);
      assert.equal(machine.code, 1, `byte ${at}`);
      if (offline.error?.reason !== machine.error?.reason)
        assert.fail(`byte ${at}: ${offline.error?.reason} here, ${machine.error?.reason} there`);
      if (reason !== machine.error?.reason)
        assert.fail(`byte ${at}: ${machine.error?.reason}, not ${reason}`);
    }
    const { value } = await s.json("list");
    assert.deepEqual(value, []);
  });
});

describe("R72: keys without a certificate", () => {
  const key = createPublicKey(readFileSync(KEY));
  const stranger = generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey;
  const spki = (form: "pem" | "der") => key.export({ type: "spki", format: form as "der" });
  const forms: [string, string | Buffer][] = [
    ["spki.pem", spki("pem")],
    ["spki.der", spki("der")],
    ["pkcs1.pem", key.export({ type: "pkcs1", format: "pem" })],
    ["second-of-two.pem", stranger.export({ type: "spki", format: "pem" }) + String(spki("pem"))],
    ["mixed.pem", `${readFileSync(join(KEYS, "author.crt"))}\n${spki("pem")}`],
  ];
  for (const [name, bytes] of forms) {
    test(`${name}: a machine takes what the key has signed, also after a restart`, async () => {
      const s = new Session(scratch());
      const keys = s.file("keys");
      mkdirSync(keys);
      writeFileSync(join(keys, name), bytes);
      assert.equal((await ask(s, "boot", "--require-signature", "--keys", keys)).code, 0);
      const signed = s.file("signed");
      const sign = ["sign", payload("nop-out"), "--key", KEY, "-o", signed];
      assert.equal((await ask(s, ...sign)).code, 0);
      assert.equal((await ask(s, "verify-signature", signed, "--keys", keys)).code, 0);
      const { code, error } = await ask(s, "upload", "x", signed);
      assert.deepEqual([code, error], [0, undefined]);
      // A name is a certificate's: no byte of a trailer may be changed unnoticed (A14).
      const certified = name === "mixed.pem";
      assert.equal((await ask(s, ...sign, "--signer", "author")).code, 0);
      const offline = await ask(s, "verify-signature", signed, "--keys", keys);
      const online = await ask(s, "upload", "y", signed);
      const reason = certified ? undefined : "sig-key-unknown";
      assert.equal(offline.error?.reason, reason);
      if (!certified) assert.equal(online.error?.reason, reason);
    });
  }

  test("what is no such key is refused, and says which file", async () => {
    const s = new Session(scratch());
    const keys = s.file("keys");
    mkdirSync(keys);
    const ec = generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey;
    const rows: [string, string | Buffer, RegExp][] = [
      ["private.pem", readFileSync(KEY), /private.pem is a private key/],
      ["ec.pem", ec.export({ type: "spki", format: "pem" }), /ec.pem holds no certificate/],
      ["empty.der", "", /empty.der holds/],
      ["cut.der", spki("der").subarray(0, 40), /cut.der holds/],
      ["none.txt", "", /has no \*.pem/],
    ];
    for (const [name, bytes, words] of rows) {
      writeFileSync(join(keys, name), bytes);
      for (const command of [["boot"], ["verify-signature", payload("xsa125")]]) {
        const { code, value, err } = await s.json(...command, "--keys", keys);
        assert.deepEqual([code, (value as Answer).error?.reason], [1, "certificate"], name);
        assert.match(err, words);
      }
      rmSync(join(keys, name));
    }
  });
});

describe("R80, R81: who may do what", () => {
  test("domain by operation, as the policy file has it", async () => {
    const s = new Session(scratch());
    const policy = s.file("policy.json");
    writeFileSync(
      policy,
      JSON.stringify({ domains: { "0": ["upload", "get", "list"], "1": ["list"] } }),
    );
    assert.equal((await ask(s, "boot", "--policy", policy)).code, 0);
    assert.equal((await ask(s, "upload", "p", payload("xsa125"))).code, 0);
    assert.equal((await ask(s, "list", "--domain", "1")).code, 0);
    for (const [args, reason] of [
      [["upload", "q", payload("nop-out"), "--domain", "1"], "xsm-denied:upload"],
      [["check", "p", "--domain", "1"], "xsm-denied:get"],
      [["check", "p"], "xsm-denied:action"],
    ] as const) {
      const { code, error } = await ask(s, ...args);
      assert.deepEqual([code, error?.errno, error?.reason], [1, "EACCES", reason]);
    }
  });

  test("a policy that is wrong is refused with the place", async () => {
    const s = new Session(scratch());
    const policy = s.file("policy.json");
    for (const text of ["{", "[]", '{"domains":{"x":["list"]}}', '{"domains":{"1":["fly"]}}']) {
      writeFileSync(policy, text);
      const { code, error } = await ask(s, "boot", "--policy", policy);
      assert.deepEqual([code, error?.reason], [1, "policy"], text);
    }
  });
});
