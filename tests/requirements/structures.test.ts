// The payload's structures (requirements A2, A3): what each field decides, by payloads that
// differ in that field alone, and what is seen in the image and by callers.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import * as abi from "../../host/abi.js";
import { buildPayload, hex, inline, type Place, trampoline } from "../engine/payload.js";
import { Bench, refusal, refused, sample } from "../engine/support.js";
import { inRoot } from "../support/root.js";
import { poke, sectionsOf, witness } from "./support.js";

const { XSPLICE_SECTION_TEXT: TEXT, XSPLICE_SECTION_TEXT_INLINE: INLINE } = abi;
const { XSPLICE_SECTION_RODATA: RODATA, XSPLICE_SECTION_STRING: STRING } = abi;

/** `mov $value,%eax; ret`, 16 bytes. */
const returns = (value: number): Uint8Array =>
  hex(`b8${value.toString(16).padStart(2, "0")}000000c3${"90".repeat(10)}`);

/** Slot 17 of hypercall_table: xen_version. */
const slot = (rest: Partial<Place> = {}): Place => ({
  type: abi.XSPLICE_PATCH_INLINE_DATA,
  symbol: "hypercall_table",
  size: 512,
  flags: RODATA,
  target: 136n,
  at: 136n,
  howto: { size: 8, mask: (1n << 64n) - 1n },
  content: Buffer.concat([returns(41), returns(42)]),
  ...rest,
});

const version = (b: Bench): bigint => b.machine.hypercall(17, [0n]).rax;

// Where buildPayload puts things: the code structure of `new` opens .xsplice.structs.
const CODE = { relocs: 8, sections: 24, patches: 40 };
const structs = (file: Uint8Array): number => sectionsOf(file)[4]?.offset ?? 0;
const root = (file: Uint8Array): number => sectionsOf(file)[3]?.offset ?? 0;

describe("counts", () => {
  test("R36, R37, R61: one reloc and one section for each patch, also in place", async () => {
    const b = await Bench.boot();
    for (const place of [trampoline("check_even", 24), inline("check_even", 24, 0, hex("90"))]) {
      const file = buildPayload({
        places: [place, { ...place, symbol: "clamp_request", size: 13 }],
      });
      for (const field of Object.values(CODE)) {
        for (const count of [0n, 1n, 3n]) {
          const same = witness(b.machine);
          const broken = poke(file, structs(file) + field, 4, count);
          // a third reloc would be a field inside the patches (K13): here is none
          const { reason } = await refusal(b.upload("p", broken));
          assert.match(
            reason,
            /^(count-mismatch|payload-pointer|pad-nonzero)$/,
            `${field}: ${count}`,
          );
          same();
        }
      }
      await b.upload("p", file);
      await b.xc.unload("p");
    }
  });

  test("R27: `new`, `old`, and no room for a third: what follows is a pad", async () => {
    const b = await Bench.boot();
    const file = buildPayload({ places: [] });
    for (let at = 48; at < 72; at += 8) {
      const same = witness(b.machine);
      const third = poke(file, root(file) + at, 8, 1n);
      await refused(b.upload("p", third), abi.EINVAL, "pad-nonzero");
      same();
    }
  });

  test("R30: a reloc is a place: as many are patched as there are, where they say", async () => {
    const b = await Bench.boot();
    const symbols = ["check_even", "clamp_request", "account_tick"];
    const places = symbols.map((name) => {
      const size = Number(b.machine.symbols.find(name)[0]?.size);
      return inline(name, size, 0, b.machine.read(name, 4).slice());
    });
    await b.load("p", { places });
    const expected = symbols.map((name) => b.machine.symbols.resolve(name));
    const found = b.machine.map().map(({ va }) => va);
    assert.deepEqual(
      found,
      expected.sort((x, y) => Number(x - y)),
    );
  });
});

describe("reloc", () => {
  test("R32, R33: the place is symbol + isns_target", async () => {
    const b = await Bench.boot();
    const va = b.machine.symbols.resolve("check_even");
    for (const at of [0, 4, 7]) {
      const place = inline("check_even", 24, at, hex("cc"));
      await b.load("p", { places: [{ ...place, target: BigInt(at), at: BigInt(at) }] });
      assert.equal(b.machine.map()[0]?.va, va + BigInt(at));
      assert.equal(b.machine.read(va + BigInt(at), 1)[0], 0xcc);
      await b.xc.revertAndWait("p");
      await b.xc.unload("p");
    }
    // all that is given must agree (R31)
    const wrong = { ...slot(), target: 128n };
    const hash = b.machine.stateHash();
    await b.upload("p", { places: [wrong] });
    await refused(b.xc.checkAndWait("p"), abi.EINVAL, "addr-symbol");
    await b.xc.unload("p");
    assert.equal(b.machine.stateHash(), hash);
  });

  test("R34: isns_added is added to what the field refers to", async () => {
    for (const [added, value] of [
      [0n, 41n],
      [16n, 42n],
    ] as const) {
      const b = await Bench.boot();
      await b.load("p", { places: [slot({ added })] });
      assert.equal(version(b), value);
      const table = b.machine.read("hypercall_table+136", 8);
      const stored = new DataView(table.buffer, table.byteOffset).getBigUint64(0, true);
      assert.equal(stored, (b.machine.payloads()[0]?.baseVa ?? 0n) + added);
      await b.xc.revertAndWait("p");
      assert.equal(version(b), 0x40006n);
    }
  });

  test("R34, F: -4 lands a trampoline exactly; the displacement is K10's", async () => {
    const b = await Bench.boot();
    await b.load("p", { places: [trampoline("check_even", 24)] });
    const jump = Buffer.from(b.machine.read("check_even", 5));
    const va = b.machine.symbols.resolve("check_even");
    assert.equal(jump[0], 0xe9);
    const to = va + 5n + BigInt(jump.readInt32LE(1));
    assert.equal(to, b.machine.payloads()[0]?.baseVa);
    assert.equal(b.call("check_even", 9n), 42n);
  });

  test("R35: relocs may share a howto: the call sites of `callers` have one", () => {
    const file = sample("callers");
    const headers = sectionsOf(file);
    const rela = headers.find(({ name }) => name === ".rela.xsplice.relocs");
    assert.ok(rela);
    const entries = Buffer.from(file).subarray(rela.offset, rela.offset + rela.size);
    const howtos: string[] = [];
    for (let at = 0; at < entries.length; at += 24) {
      if (Number(entries.readBigUInt64LE(at)) % abi.XSPLICE_RELOC_SIZE !== 24) continue;
      howtos.push(entries.subarray(at + 8, at + 24).toString("hex"));
    }
    assert.equal(howtos.length, 6);
    assert.equal(new Set(howtos).size, 1);
  });
});

describe("patch", () => {
  test("R58: `size` bytes of `content`, not one more", async () => {
    const b = await Bench.boot();
    const before = b.machine.read("console_banner", 32).slice();
    const content = new TextEncoder().encode("XYZWVUTS");
    const banner: Place = {
      ...slot(),
      symbol: "console_banner",
      size: Number(b.machine.symbols.find("console_banner")[0]?.size),
      flags: RODATA | STRING,
      target: 4n,
      at: 4n,
      howto: {},
      inside: "rodata",
      content,
      contentSize: 3,
    };
    await b.load("p", { places: [banner] });
    const after = b.machine.read("console_banner", 32);
    assert.deepEqual(after.slice(4, 7), content.slice(0, 3));
    after.set(before.slice(4, 7), 4);
    assert.deepEqual(after, before);
  });

  test("R59: patch.addr as offset and as address are one place", async () => {
    const images: Uint8Array[] = [];
    for (const absolute of [false, true]) {
      const b = await Bench.boot();
      const va = b.machine.symbols.resolve("check_even");
      const place = inline("check_even", 24, 4, hex("cccc"));
      await b.load("p", { places: [{ ...place, at: absolute ? va + 4n : 4n }] });
      images.push(b.image());
      assert.equal(b.machine.map()[0]?.va, va + 4n);
    }
    assert.deepEqual(images[0], images[1]);
  });

  test("R6, R29: code and data in one payload, three mechanisms at once", async () => {
    const b = await Bench.boot();
    const image = b.image();
    const banner = {
      ...slot(),
      symbol: "console_banner",
      flags: RODATA | STRING,
      inside: "rodata",
    };
    const size = Number(b.machine.symbols.find("console_banner")[0]?.size);
    const text = new TextEncoder().encode("PATCHED ");
    await b.load("p", {
      places: [
        trampoline("check_even", 24),
        slot(),
        { ...banner, inside: "rodata", size, target: 0n, at: 0n, howto: {}, content: text },
      ],
    });
    assert.equal(b.call("check_even", 9n), 42n);
    assert.equal(version(b), 41n);
    assert.match(b.machine.readString("console_banner"), /^PATCHED /);
    assert.deepEqual(
      b.machine
        .map()
        .map(({ kind }) => kind)
        .sort(),
      ["data", "field", "trampoline"],
    );
    await b.xc.revertAndWait("p");
    assert.deepEqual(b.image(), image);
  });
});

describe("symbol", () => {
  test("R44: names are the image's; a label is for people and must be readable", async () => {
    const b = await Bench.boot();
    const file = buildPayload({ places: [trampoline("no_such_thing", 24)] });
    await b.upload("p", file);
    const error = await refused(b.xc.checkAndWait("p"), abi.ENOENT, "sym-missing");
    assert.match(error.message, /'no_such_thing'/);
    await b.xc.unload("p");
    // the sample payloads' labels are the RFC's: name and offset
    const text = Buffer.from(sample("rfc-example")).toString("latin1");
    assert.match(text, /\0do_xen_version\+<0x0>\0/);
    // symbols stand behind the arrays: 72 + 64 + 40 + 64
    const at = structs(file) + 240;
    const same = witness(b.machine);
    const broken = poke(file, at + abi.XSPLICE_SYMBOL_SIZE - 24, 8, 0xdead0000n);
    await refused(b.upload("p", broken), abi.EFAULT, "payload-pointer");
    same();
  });
});

describe("names", () => {
  test("R203, R204: one file compiled twice: an address tells them apart", async () => {
    // mini-Xen says `a/domain.c` for one of its two; most builds would not
    const image = Buffer.from(readFileSync(inRoot("images/mini-xen/mini-xen")));
    const path = image.indexOf("\0a/domain.c\0") + 1;
    const symtab = sectionsOf(image).find(({ type }) => type === 2);
    const strtab = sectionsOf(image).find(({ name }) => name === ".strtab");
    assert.ok(path > 0 && symtab && strtab);
    for (let at = symtab.offset; at < symtab.offset + symtab.size; at += 24) {
      if (image.readUInt32LE(at) !== path - strtab.offset) continue;
      image.writeUInt32LE(path - strtab.offset + 2, at);
    }
    const b = await Bench.boot({ image: new Uint8Array(image) });
    const both = b.machine.symbols.find("domain.c#domain_limit").map(({ va }) => va);
    assert.equal(both.length, 2);
    const size = Number(b.machine.symbols.find("domain_limit")[0]?.size);
    const place = trampoline("domain.c#domain_limit", size);
    const before = b.image();
    await b.upload("p", { places: [place] });
    const error = await refused(b.xc.checkAndWait("p"), abi.EINVAL, "sym-ambiguous");
    assert.deepEqual(error.operands.candidates, both);
    assert.deepEqual(b.image(), before);
    await b.xc.unload("p");
    for (const va of both) {
      const sized = b.machine.symbols.at(va)?.symbol.size;
      await b.load("p", {
        places: [{ ...place, size: Number(sized), address: va, relocAddr: va }],
      });
      assert.deepEqual(
        b.machine.map().map((patched) => patched.va),
        [va],
      );
      await b.xc.revertAndWait("p");
      await b.xc.unload("p");
    }
  });
});

describe("room", () => {
  test("R187: a trampoline fits where size and padding make 5 bytes, nowhere else", async () => {
    const b = await Bench.boot();
    let small = 0;
    for (const { name, file, size, room, type } of [...b.machine.symbols]) {
      if (type !== "func" || size >= 8n || size === 0n) continue;
      const full = file === undefined ? name : `${file}#${name}`;
      await b.upload(name, { name: name.slice(0, 40), places: [trampoline(full, Number(size))] });
      const image = b.image();
      if (room < 5n) {
        const error = await refused(b.xc.checkAndWait(name), abi.ENOSPC, "too-small");
        assert.deepEqual([error.operands.value, error.operands.limit], [room, 5n], name);
        assert.deepEqual(b.image(), image);
        small++;
      } else {
        await b.xc.checkAndWait(name);
        await b.xc.applyAndWait(name);
        assert.equal(b.machine.map()[0]?.size, 5, name);
        await b.xc.revertAndWait(name);
        assert.deepEqual(b.image(), image, name);
      }
      await b.xc.unload(name);
    }
    assert.ok(small >= 3, "wbinvd_ipi, tiny_2, tiny_4");
  });

  test("R9: any text and any .rodata can be changed, from the first byte to the last", async () => {
    const b = await Bench.boot();
    const image = b.image();
    const objects = [...b.machine.symbols].filter(
      ({ type, size, name, va }) =>
        (type === "func" || type === "object") &&
        size > 0n &&
        b.machine.symbols.find(name).length === 1 &&
        !(va >= 0xffff82d08024f000n && va < 0xffff82d080251000n), // init, dropped after boot
    );
    let changed = 0;
    for (const { name, va, size, type } of objects) {
      const last = va + size - 1n;
      const flags = type === "func" ? TEXT | INLINE : RODATA;
      const content = Uint8Array.of(0xff ^ (b.machine.read(last, 1)[0] ?? 0));
      const kind =
        type === "func" ? {} : { type: abi.XSPLICE_PATCH_INLINE_DATA, inside: "rodata" as const };
      const place = { ...inline(name, Number(size), Number(size) - 1, content), flags, ...kind };
      await b.upload("p", { places: [place] });
      const outcome = await b.xc.checkAndWait("p").then(
        () => "ok",
        (error) => error.reason,
      );
      if (outcome === "ok") {
        await b.xc.applyAndWait("p");
        assert.deepEqual(b.machine.read(last, 1), content, name);
        await b.xc.revertAndWait("p");
        changed++;
      } else {
        assert.match(outcome, /^(self-patch|init-text|writable-data|wrong-section)$/, name);
      }
      await b.xc.unload("p");
    }
    assert.ok(changed > 90, `${changed} of ${objects.length}`);
    assert.deepEqual(b.image(), image);
  });
});
