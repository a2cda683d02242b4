// Every reason that UPLOAD, GET, LIST and the sysctl itself can give (table D2) is reached
// here, and each time the machine is compared: nothing has changed. Every word of a payload's
// headers, symbols, relocations and structures is set to hostile values, one at a time.

import assert from "node:assert/strict";
import { createPrivateKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { after, describe, test } from "node:test";
import * as abi from "../../host/abi.js";
import { signPayload } from "../../host/elf/sign.js";
import {
  createMachine,
  type Machine,
  readCertificates,
  XenControl,
  XenError,
} from "../../host/index.js";
import { buildPayload, hex, inline, trampoline } from "../engine/payload.js";
import { sample } from "../engine/support.js";
import { inRoot } from "../support/root.js";
import { action, list, poke, RAM, reasonOf, sectionsOf, sysctl, wireId } from "./support.js";

const seen = new Map<string, number>();

/** The machine must be as it was: image, frames, page tables, payloads (A14). */
class Judge {
  private readonly hash: bigint;
  private readonly frames: number;
  readonly xc: XenControl;

  constructor(readonly machine: Machine) {
    this.xc = new XenControl(machine);
    this.hash = machine.stateHash();
    this.frames = machine.info().framesUsed;
  }

  same(what: string): void {
    assert.equal(this.machine.stateHash(), this.hash, what);
    assert.equal(this.machine.info().framesUsed, this.frames, what);
  }

  /** Uploads; a refusal is counted, an acceptance taken back. */
  async upload(file: Uint8Array, what: string): Promise<string> {
    try {
      await this.xc.upload("p", file);
    } catch (error) {
      assert.ok(error instanceof XenError, `${what}: ${error}`);
      assert.ok(error.message.length > 10 && error.hint.length > 5, what);
      seen.set(error.reason, (seen.get(error.reason) ?? 0) + 1);
      this.same(`${what}: ${error.reason}`);
      return error.reason;
    }
    await this.xc.unload("p");
    this.same(`${what}: accepted`);
    return "accepted";
  }
}

const HOSTILE = [
  0n,
  1n,
  3n,
  0x7fffn,
  0xffffn,
  0x7fff_ffffn,
  0xffff_ffffn,
  0x7fff_ffff_ffff_ffffn,
  0xffff_ffff_ffff_fff0n,
];

/** Sets each field of `layout` (offset, bytes) of a record to every hostile value. */
function* mutations(
  file: Uint8Array,
  at: number,
  layout: readonly (readonly [number, 1 | 2 | 4 | 8])[],
) {
  for (const [offset, bytes] of layout) {
    for (const value of HOSTILE) {
      if (value >> BigInt(8 * bytes) === 0n) {
        yield {
          what: `${bytes} at ${at + offset} = ${value}`,
          file: poke(file, at + offset, bytes, value),
        };
      }
    }
  }
}

const EHDR = [
  [0, 4],
  [4, 1],
  [5, 1],
  [6, 1],
  [7, 1],
  [16, 2],
  [18, 2],
  [20, 4],
  [40, 8],
  [52, 2],
  [54, 2],
  [56, 2],
  [58, 2],
  [60, 2],
  [62, 2],
] as const;
const SHDR = [
  [0, 4],
  [4, 4],
  [8, 8],
  [16, 8],
  [24, 8],
  [32, 8],
  [40, 4],
  [44, 4],
  [48, 8],
  [56, 8],
] as const;
const SYM = [
  [0, 4],
  [4, 1],
  [5, 1],
  [6, 2],
  [8, 8],
  [16, 8],
] as const;
const RELA = [
  [0, 8],
  [8, 4],
  [12, 4],
  [16, 8],
] as const;

const BASE = buildPayload({
  places: [trampoline("check_even", 24), inline("clamp_request", 13, 0, hex("90"))],
  old: [inline("clamp_request", 13, 0, hex("90"))],
  buildId: hex("0102030405060708"),
});

describe("UPLOAD, one wrong word", () => {
  const cases: [string, Uint8Array][] = [
    ["made here", BASE],
    ["made by gcc", sample("old-exact")],
  ];
  for (const [origin, file] of cases) {
    const sections = sectionsOf(file);

    test(`${origin}: the ELF header and every section header`, async () => {
      const judge = new Judge(await createMachine());
      assert.equal(await judge.upload(file, "as it is"), "accepted");
      for (const { what, file: bad } of mutations(file, 0, EHDR)) await judge.upload(bad, what);
      for (const { header } of sections) {
        for (const { what, file: bad } of mutations(file, header, SHDR))
          await judge.upload(bad, what);
      }
    });

    test(`${origin}: symbols and relocations`, async () => {
      const judge = new Judge(await createMachine());
      for (const { type, offset, size } of sections) {
        if (type !== 2 && type !== 4) continue;
        // the first, some in between, the last
        const count = size / 24;
        const chosen = new Set([0, 1, 2, 3, count >> 1, count - 1].filter((i) => i < count));
        for (const i of chosen) {
          const layout = type === 2 ? SYM : RELA;
          for (const { what, file: bad } of mutations(file, offset + 24 * i, layout)) {
            await judge.upload(bad, what);
          }
        }
      }
    });

    test(`${origin}: every word of the structures`, async () => {
      const judge = new Judge(await createMachine());
      for (const { name, offset, size } of sections) {
        if (!name.startsWith(".xsplice")) continue;
        for (let at = 0; at + 4 <= size; at += 4) {
          for (const value of [1n, 0x41n, 0xffff_ffffn]) {
            await judge.upload(poke(file, offset + at, 4, value), `${name}+${at} = ${value}`);
          }
        }
      }
    });
  }

  test("cut short, foreign, without or with two roots, wrong sizes", async () => {
    const judge = new Judge(await createMachine());
    const reason = (file: Uint8Array) => judge.upload(file, "");
    assert.equal(await reason(BASE.slice(0, 63)), "elf-truncated");
    assert.equal(await reason(hex("00".repeat(64))), "elf-magic");
    const sections = sectionsOf(BASE);
    const root = sections[3];
    const structs = sections[4];
    const names =
      sections.at(-1)?.name === ".shstrtab"
        ? sections.at(-1)
        : sections.find((s) => s.name === ".shstrtab");
    assert.ok(root && structs && names);
    assert.equal(root.name, ".xsplice");
    const named = Buffer.from(BASE).indexOf(".xsplice\0", names.offset);
    assert.equal(await reason(poke(BASE, named + 1, 1, 0x79n)), "root-missing");
    const two = poke(BASE, structs.header, 4, BigInt(named - names.offset));
    assert.equal(await reason(two), "root-many");
    assert.equal(await reason(poke(BASE, root.header + 32, 8, 64n)), "struct-size");
    assert.equal(await reason(poke(BASE, root.offset, 4, 1n)), "payload-version");
    const long = buildPayload({ name: "x".repeat(41), places: [] });
    assert.equal(await reason(long), "name-length");
    assert.equal(
      await reason(poke(BASE, (sections[1]?.header ?? 0) + 8, 8, 7n)),
      "elf-unsupported-wx",
    );
    const rela = sections.find((section) => section.name === ".rela.xsplice");
    assert.ok(rela);
    // R_X86_64_32 of an address beyond 4 GiB
    assert.equal(await reason(poke(BASE, rela.offset + 8, 4, 10n)), "reloc-overflow");
    // today's format at the RFC's door: no root, but .livepatch.funcs
    const today = Buffer.from(poke(BASE, named + 1, 1, 0x79n));
    today.write(".livepatch.funcs", today.indexOf(".xsplice.structs\0"), "latin1");
    assert.equal(await reason(new Uint8Array(today)), "foreign-format");
  });

  test("an undefined symbol that is not there; another build is said first", async () => {
    const judge = new Judge(await createMachine());
    const file = Buffer.from(sample("xsa125"));
    const name = file.indexOf("\0copy_to_guest\0");
    assert.ok(name > 0, "xsa125 calls copy_to_guest");
    file.write("copy_to_ghost", name + 1, "latin1");
    assert.equal(await judge.upload(new Uint8Array(file), "ghost"), "sym-missing");
    const id = file.indexOf("92dd05a61556c554155b1508c9cf67d993336d28");
    file.write("93", id, "latin1");
    await assert.rejects(judge.xc.upload("p", new Uint8Array(file)), (error) => {
      assert.ok(error instanceof XenError);
      assert.deepEqual([error.errno, error.reason], ["ENOENT", "sym-missing"]);
      assert.match(error.message, /93dd05a61556c554155b1508c9cf67d993336d28/);
      return true;
    });
    judge.same("another build");
  });

  test("sizes and handles", async () => {
    const machine = await createMachine();
    const judge = new Judge(machine);
    const ask = (size: bigint, payload: bigint): string => {
      const { rc } = sysctl(machine, { op: "upload", id: wireId("p"), size, payload });
      assert.ok(rc < 0);
      seen.set(reasonOf(machine), 1);
      judge.same(`${size}`);
      return reasonOf(machine);
    };
    assert.equal(ask(0n, RAM), "size-zero");
    assert.equal(ask(BigInt(abi.XSPLICE_PAYLOAD_MAX) + 1n, RAM), "size-limit");
    assert.equal(ask(100n, 0n), "arg-fault");
  });

  test("a second one: the same id, the same bytes", async () => {
    const machine = await createMachine();
    const xc = new XenControl(machine);
    await xc.upload("first", BASE);
    const judge = new Judge(machine);
    assert.equal(await judge.upload(BASE, "twin"), "payload-exists");
    await assert.rejects(xc.upload("first", BASE), { reason: "id-exists" });
    seen.set("id-exists", 1);
    judge.same("id-exists");
  });

  test("signatures: none, malformed, old algorithms, unknown keys, wrong", async () => {
    const key = createPrivateKey(readFileSync(inRoot("tests/cli/keys/author.key")));
    const keys = await readCertificates(readFileSync(inRoot("tests/cli/keys/author.crt")));
    const judge = new Judge(await createMachine({ keys, requireSignature: true }));
    const signed = signPayload(BASE, { key, hash: "sha256" });
    const header = BASE.length + 28;
    assert.equal(await judge.upload(BASE, "none"), "sig-missing");
    for (const [at, value, reason] of [
      [BASE.length, 0n, /^(sig-format|sig-missing)$/],
      [header, 0n, /^sig-algo$/], // DSA
      [header + 1, 2n, /^sig-algo$/], // SHA-1
      [header + 5, 1n, /^sig-format$/],
      [signed.length - 1, 0x5an, /^(sig-bad|sig-key-unknown)$/],
      [BASE.length - 1, 0x5an, /^(sig-bad|elf-.*)$/],
    ] as const) {
      assert.match(await judge.upload(poke(signed, at, 1, value), `${at}`), reason);
    }
    const stranger = signPayload(BASE, { key, hash: "sha256", signer: "nobody" });
    assert.equal(await judge.upload(stranger, "signer"), "sig-key-unknown");
  });
});

describe("the other operations", () => {
  test("GET, LIST, ACTION and the envelope: errno, reason, nothing changed", async () => {
    const machine = await createMachine();
    await new XenControl(machine).upload("p", BASE);
    const judge = new Judge(machine);
    const get = (id: string, status: number, domain = 0): number =>
      sysctl(machine, { op: "get", id: wireId(id), status }, domain).rc;
    const rows: [() => number, number, string][] = [
      [() => get("p", 1), -abi.EINVAL, "get-status-nonzero"],
      [() => get("q", 0), -abi.ENOENT, "no-such-id"],
      [() => get("p", 0, 1), -abi.EPERM, "not-privileged"],
      [() => list(machine, 0, 65).rc, -abi.E2BIG, "list-batch"],
      [() => list(machine, 2, 1).rc, -abi.EINVAL, "list-index"],
      [() => list(machine, 0, 1, 0n).rc, -abi.EINVAL, "list-handle"],
      [() => list(machine, 0, 1, 1n).rc, -abi.EFAULT, "arg-fault"],
      [() => action(machine, "", 1), -abi.EINVAL, "id-empty"],
      [() => action(machine, "p", 9), -abi.ENOSYS, "unknown-cmd"],
      [() => action(machine, "p", 4), -abi.EINVAL, "wrong-state"],
      [() => sysctl(machine, { op: "info", len: 1n, buffer: RAM }).rc, -abi.ENOBUFS, "info-buffer"],
    ];
    for (const [ask, rc, reason] of rows) {
      assert.deepEqual([ask(), reasonOf(machine)], [rc, reason]);
      seen.set(reason, 1);
      judge.same(reason);
    }
  });
});

describe("access", () => {
  test("R81: what the policy does not allow is refused by name, for every operation", async () => {
    for (const allowed of ["upload", "get", "list", "action"] as const) {
      const machine = await createMachine({ policy: { domains: { 0: [allowed] } } });
      const judge = new Judge(machine);
      const id = wireId("p");
      const ops = {
        upload: { op: "upload", id, size: 0n, payload: RAM },
        get: { op: "get", id, status: 0 },
        list: { op: "list", version: 0, idx: 0, nr: 0, summary: 0n },
        action: { op: "action", id, cmd: 1, time: 0n },
      } as const;
      for (const [name, op] of Object.entries(ops)) {
        const { rc } = sysctl(machine, op);
        const denied = [rc, rc < 0 ? reasonOf(machine) : "none"];
        if (name === allowed) assert.notEqual(denied[1], "xsm-denied");
        else assert.deepEqual(denied, [-abi.EACCES, "xsm-denied"], name);
        judge.same(name);
      }
    }
  });
});

after(() => {
  const wanted = [
    ...["truncated", "magic", "header", "section-table", "section-bounds", "section-align"],
    ...[
      "section-name",
      "string-table",
      "symbol-table",
      "symbol",
      "reloc-table",
      "reloc",
      "segment",
    ],
    ...["class", "machine", "type", "version", "reloc", "wx", "symbol", "section"].map(
      (what) => `unsupported-${what}`,
    ),
  ].map((what) => `elf-${what}`);
  wanted.push("root-missing", "root-many", "struct-size", "payload-version", "pad-nonzero");
  wanted.push("flag-reserved", "enum", "count-mismatch", "payload-pointer", "reloc-overflow");
  wanted.push(
    "foreign-format",
    "sym-missing",
    "name-length",
    "sig-missing",
    "sig-format",
    "sig-algo",
    "sig-key-unknown",
    "sig-bad",
  );
  assert.deepEqual(
    wanted.filter((reason) => !seen.has(reason)),
    [],
    "reasons that nothing here reaches",
  );
});
