// Every refusal of table D2 that the engine gives, CHECK to UNLOAD: errno, reason, and that nothing
// has changed: the image byte for byte, and after unloading the machine as it was before the
// upload.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import * as abi from "../../host/abi.js";
import type { XenError } from "../../host/index.js";
import { inRoot } from "../support/root.js";
import { hex, inline, type PayloadSpec, type Place, trampoline } from "./payload.js";
import { Bench, refused, sample } from "./support.js";

const NOWHERE = 0xffff82d0a0000000n;
const RET = hex("c3");
const { XSPLICE_SECTION_TEXT, XSPLICE_SECTION_RODATA, XSPLICE_SECTION_DATA } = abi;

/** Bytes of data in place. */
function data(
  symbol: string | undefined,
  size: number,
  flags: number,
  rest: Partial<Place> = {},
): Place {
  const content = new Uint8Array(4);
  const type = abi.XSPLICE_PATCH_INLINE_DATA;
  return { type, symbol, size, flags, content, inside: "rodata", at: 0n, ...rest };
}

/** One field of 4 bytes in text. */
function field(symbol: string, size: number, at: number, howto: Place["howto"]): Place {
  return { ...inline(symbol, size, at, RET), howto: { size: 4, mask: 0xffffffffn, ...howto } };
}

interface Row {
  name: string;
  payload: PayloadSpec | Uint8Array;
  errno: number;
  reason: string;
  also?: (error: XenError) => void;
}

const CHECKS: readonly Row[] = [
  {
    name: "R24: another build's id",
    payload: { id: "92dd05a61556c554155b1508c9cf67d993336d29", places: [] },
    errno: abi.EINVAL,
    reason: "build-id",
  },
  {
    name: "R12: a symbol that is not there",
    payload: { places: [trampoline("do_nothing_at_all", 16)] },
    errno: abi.ENOENT,
    reason: "sym-missing",
    also: (e) => assert.match(e.message, /do_nothing_at_all/),
  },
  {
    name: "R202: a name that two functions have lists both",
    payload: { places: [trampoline("backlog", 13)] },
    errno: abi.EINVAL,
    reason: "sym-ambiguous",
    also: (e) =>
      assert.deepEqual(e.operands.candidates, [0xffff82d080104b60n, 0xffff82d080104c00n]),
  },
  {
    name: "R31: address and symbol disagree (reloc)",
    payload: { places: [{ ...trampoline("check_even", 24), relocAddr: 0xffff82d080113f01n }] },
    errno: abi.EINVAL,
    reason: "addr-symbol",
  },
  {
    name: "R56: address and symbol disagree (section)",
    payload: { places: [{ ...trampoline("check_even", 24), address: 0xffff82d080113f10n }] },
    errno: abi.EINVAL,
    reason: "addr-symbol",
  },
  {
    name: "R46: not in memory",
    payload: {
      places: [
        data(undefined, 8, XSPLICE_SECTION_RODATA, {
          address: NOWHERE,
          relocAddr: NOWHERE,
          at: NOWHERE,
        }),
      ],
    },
    errno: abi.EFAULT,
    reason: "not-mapped",
  },
  {
    name: "R48: code that claims to be data",
    payload: { places: [{ ...trampoline("check_even", 24), flags: XSPLICE_SECTION_RODATA }] },
    errno: abi.EINVAL,
    reason: "wrong-section",
  },
  {
    name: "R48: data that claims to be code",
    payload: { places: [inline("console_banner", 32, 0, hex("90909090"))] },
    errno: abi.EINVAL,
    reason: "wrong-section",
  },
  {
    name: "R48: a data patch in text",
    payload: { places: [data("check_even", 24, XSPLICE_SECTION_TEXT)] },
    errno: abi.EINVAL,
    reason: "wrong-section",
  },
  {
    name: "R175: a function of .init.text",
    payload: { places: [trampoline("start_xen", 47)] },
    errno: abi.EINVAL,
    reason: "init-text",
  },
  {
    name: "R180, K18: .data in place",
    payload: { places: [data("boot_count", 4, XSPLICE_SECTION_DATA)] },
    errno: abi.EOPNOTSUPP,
    reason: "writable-data",
  },
  {
    name: "R180, K18: .bss in place",
    payload: { places: [data("cpu_online_map", 32, XSPLICE_SECTION_DATA)] },
    errno: abi.EOPNOTSUPP,
    reason: "writable-data",
  },
  {
    name: "R47: a size that is not the symbol's",
    payload: { places: [trampoline("check_even", 25)] },
    errno: abi.ERANGE,
    reason: "size",
    also: (e) => assert.deepEqual([e.operands.value, e.operands.limit], [25n, 24n]),
  },
  {
    name: "R216: a place outside the object",
    payload: {
      places: [{ ...inline("check_even", 24, 0, RET), target: 24n, at: 0xffff82d080113f18n }],
    },
    errno: abi.ERANGE,
    reason: "size",
  },
  {
    name: "R182: in place, longer than what is left",
    payload: { places: [inline("clamp_request", 13, 10, hex("0f1f4000"))] },
    errno: abi.ENOSPC,
    reason: "does-not-fit",
  },
  {
    name: "R185, R186: 3 bytes and no padding",
    payload: sample("too-small"),
    errno: abi.ENOSPC,
    reason: "too-small",
    also: (e) => assert.deepEqual([e.operands.value, e.operands.limit], [3n, 5n]),
  },
  {
    name: "K12: neither an offset nor an address",
    payload: { places: [{ ...inline("check_even", 24, 0, RET), at: 0x100000n }] },
    errno: abi.EINVAL,
    reason: "patch-address",
  },
  {
    name: "R42, R43: a displacement into too small a field",
    payload: { places: [field("check_even", 24, 1, { size: 2, flag: 3, mask: 0xffffn })] },
    errno: abi.EOVERFLOW,
    reason: "reloc-value",
  },
  {
    name: "R43: an address into an unsigned field of 4 bytes",
    payload: { places: [field("check_even", 24, 1, { flag: 0 })] },
    errno: abi.EOVERFLOW,
    reason: "reloc-value",
  },
  {
    name: "R11, R53: old code that differs, exactly",
    payload: {
      places: [trampoline("check_even", 24)],
      old: [
        {
          ...inline("check_even", 24, 0, hex("40f6c701 7500")),
          flags: XSPLICE_SECTION_TEXT | abi.XSPLICE_SECTION_MATCH_EXACT,
        },
      ],
    },
    errno: abi.EILSEQ,
    reason: "old-code",
    also: (e) => assert.equal(e.operands.va, 0xffff82d080113f05n),
  },
  {
    name: "R53: old code that differs in more than relocations",
    payload: {
      places: [trampoline("account_tick", 5)],
      old: [inline("account_tick", 5, 0, hex("488d4702 c3"))],
    },
    errno: abi.EILSEQ,
    reason: "old-code",
  },
  {
    name: "R215: two places of one payload that meet",
    payload: {
      places: [inline("check_even", 24, 0, hex("90909090")), inline("check_even", 24, 3, RET)],
    },
    errno: abi.EINVAL,
    reason: "overlap",
  },
  {
    name: "R221: the code that does the patching",
    payload: { places: [trampoline("do_sysctl", 9)] },
    errno: abi.EPERM,
    reason: "self-patch",
  },
  {
    name: "A14: a trampoline into data",
    payload: { places: [{ ...trampoline("check_even", 24), inside: "rodata" }] },
    errno: abi.EINVAL,
    reason: "content-not-executable",
  },
];

describe("CHECK", () => {
  for (const row of CHECKS) {
    test(`${row.reason}: ${row.name}`, async () => {
      const b = await Bench.boot();
      const image = b.image();
      const empty = b.machine.stateHash();
      await b.upload("p", row.payload);
      const error = await refused(b.xc.checkAndWait("p"), row.errno, row.reason);
      row.also?.(error);
      assert.equal(error.step, "check");
      assert.deepEqual(b.image(), image);
      assert.equal(await b.status("p"), -row.errno, "K45: GET shows the error");
      await refused(b.xc.applyAndWait("p"), abi.EINVAL, "wrong-state");
      await b.xc.unload("p");
      assert.equal(b.machine.stateHash(), empty);
    });
  }

  test("no-build-id: a hypervisor that has none", async () => {
    const image = readFileSync(inRoot("images/mini-xen/mini-xen")).slice();
    const note = Buffer.from(image).indexOf(hex("04000000 14000000 03000000 474e5500"));
    image.set(hex("58585800"), note + 12);
    const b = await Bench.boot({ image: new Uint8Array(image) });
    assert.equal(b.machine.info().buildId.length, 0);
    await b.upload("p", { places: [] });
    await refused(b.xc.checkAndWait("p"), abi.ENODATA, "no-build-id");
  });

  test("R220 entered-midway: a jump from elsewhere into what is replaced", async () => {
    const b = await Bench.boot();
    let tried = 0;
    for (const { name, va, size } of b.machine.symbols) {
      if (size < 16n || size > 400n || va > 0xffff82d080160200n || tried === 5) continue;
      const code = await b.machine.decode(va, (Number(size) / 3) | 0);
      const targets = code
        .filter((insn) => insn.va < va + size && /^j/.test(insn.text))
        .map((insn) => ({ from: insn.va, to: BigInt(/0x[0-9a-f]+/i.exec(insn.text)?.[0] ?? 0) }))
        .filter(
          ({ from, to }) =>
            to > va + 1n && to + 4n < va + size && (from < to - 2n || from > to + 4n),
        );
      const found = targets[0];
      if (found === undefined || b.machine.symbols.find(name).length !== 1) continue;
      tried++;
      const at = Number(found.to - va) - 1;
      // nopl (%rax), two bytes of it in front of where the jump lands
      await b.upload(name, { places: [inline(name, Number(size), at, hex("0f1f00"))] });
      const error = await refused(b.xc.checkAndWait(name), abi.EINVAL, "entered-midway");
      assert.equal(error.operands.va, found.to);
      await b.xc.unload(name);
      // new code with an instruction of its own at that place may be entered there
      await b.upload(name, { places: [inline(name, Number(size), at, hex("906690"))] });
      await b.xc.checkAndWait(name);
      await b.xc.unload(name);
    }
    assert.equal(tried, 5);
  });

  test("reloc-value: callers cannot reach beyond 2 GB", async () => {
    const b = await Bench.boot({ payloadBase: 0xffff900000000000n });
    const image = b.image();
    await b.upload("p", sample("callers"));
    await refused(b.xc.checkAndWait("p"), abi.EOVERFLOW, "reloc-value");
    assert.deepEqual(b.image(), image);
  });

  test("payload-exists: the same file under another id (a946b8de14)", async () => {
    const b = await Bench.boot();
    await b.upload("one", sample("xsa125"));
    const hash = b.machine.stateHash();
    const error = await refused(b.upload("two", sample("xsa125")), abi.EEXIST, "payload-exists");
    assert.match(error.message, /one/);
    assert.equal(b.machine.stateHash(), hash);
    await b.xc.unload("one");
    await b.upload("two", sample("xsa125"));
  });
});
